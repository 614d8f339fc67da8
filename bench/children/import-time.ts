/** Prints how many milliseconds importing the module that its argument names takes, in a process that is fresh. */
const [, , url = ""] = process.argv;
const startedAt = performance.now();
await import(url);
console.log(JSON.stringify([performance.now() - startedAt]));
