#!/usr/bin/env -S node --disable-warning=ExperimentalWarning
/**
 * The command line. The flag above hides one warning: that `node:sqlite` is experimental.
 *
 * @module
 */
import { enableCompileCache } from "node:module";

// Halves the time to start, from the second time on. Where the cache can't be written, nothing changes.
enableCompileCache();
const { run } = await import("./program.ts");
await run(process.argv);
