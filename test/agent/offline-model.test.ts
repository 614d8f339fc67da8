/**
 * The offline model, driven by the AI SDK as any other model is.
 */
import type { LanguageModelV4CallOptions, LanguageModelV4StreamPart } from "@ai-sdk/provider";
import type { ModelMessage, ToolSet } from "ai";
import { generateText, isStepCount, jsonSchema, Output, streamText, tool } from "ai";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { offlineModel } from "../../src/agent/offline-model.ts";

const model = offlineModel();

const user = (content: string): ModelMessage => ({ role: "user", content });
const assistant = (content: string): ModelMessage => ({ role: "assistant", content });

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

const tools = {
  get_weather: tool({
    inputSchema: z.object({ city: z.string() }),
    execute: ({ city }) => (city === "Oslo" ? "8 °C" : "24 °C"),
  }),
  add: tool({
    inputSchema: z.object({ a: z.number(), b: z.number() }),
    execute: ({ a, b }) => ({ sum: a + b }),
  }),
  get_time: tool({ inputSchema: z.object({}), execute: () => "noon" }),
  fail: tool({
    inputSchema: z.object({}),
    execute: (): string => {
      throw new Error("the disk is full");
    },
  }),
  delete_file: tool({
    inputSchema: z.object({ path: z.string() }),
    execute: ({ path }) => `deleted ${path}`,
  }),
} satisfies ToolSet;

async function ask(messages: string | ModelMessage[], instructions?: string): Promise<string> {
  const list = typeof messages === "string" ? [user(messages)] : messages;
  const { text } = await generateText({ model, messages: list, ...(instructions && { instructions }) });
  return text;
}

/** A turn with all tools, and what was called in it, step by step. */
async function run(prompt: string): Promise<{ text: string; steps: string[][] }> {
  const { text, steps } = await generateText({ model, tools, prompt, stopWhen: isStepCount(6) });
  return {
    text,
    steps: steps.map(({ toolCalls }) =>
      toolCalls.map(
        ({ toolCallId, toolName, input }) => `${toolCallId} ${toolName} ${JSON.stringify(input)}`,
      ),
    ),
  };
}

describe("what the user told", () => {
  test.each([
    ["My name is Ada Lovelace.", "What is my name?", "Your name is Ada Lovelace."],
    ["I live in New York.", "Where do I live?", "You live in New York."],
    ["I'm allergic to peanuts.", "What am I allergic to?", "You are allergic to peanuts."],
    [
      "My favourite colour is dark green, by the way.",
      "What is my favourite colour?",
      "Your favourite colour is dark green.",
    ],
    [
      "Remember that the door code is 1234.",
      "What did I ask you to remember?",
      "You asked me to remember: the door code is 1234.",
    ],
    ["Remember that the door code is 1234.", "What is the door code?", "You told me: the door code is 1234."],
  ])("%s %s", async (fact, question, answer) => {
    expect(await ask([user(fact), assistant("…"), user(question)])).toBe(answer);
    expect(await ask(question)).not.toBe(answer);
  });

  test("the last of two counts, and several questions get several answers", async () => {
    const messages = [user("I live in Lisbon."), user("I have moved to Oslo."), user("My name is Bo.")];
    expect(await ask([...messages, user("What is my name and where do I live?")])).toBe(
      "Your name is Bo. You live in Oslo.",
    );
  });

  test("what it does not know it says", async () => {
    expect(await ask("What is my favorite sport?")).toBe("You have not told me your favorite sport.");
    expect(await ask("Who won the cup?")).toBe("This conversation does not say.");
  });

  test.each([
    ["Hi, my name is Alice and I live in Lisbon.", "Nice to meet you, Alice. Lisbon, a fine place."],
    ["I am allergic to nuts.", "No nuts for you, then."],
    ["Remember that it rains.", "I will remember: it rains."],
    ["It rains.", "I see."],
  ])("is acknowledged: %s", async (text, reply) => {
    expect(await ask(text)).toBe(reply);
  });

  test("facts stay known through a summary, which does not make it summarise", async () => {
    const told = [user("My name is Alice. I like tea."), assistant("…"), user("I live in Lisbon.")];
    const summary = await ask(told, "Summarise the conversation.");
    for (const message of [
      user(`This is a summary of the conversation so far: ${summary}`),
      assistant(summary),
    ]) {
      expect(await ask([message, user("What is my name, and where do I live?")])).toBe(
        "Your name is Alice. You live in Lisbon.",
      );
    }
    const { text } = await generateText({
      model,
      allowSystemInMessages: true,
      messages: [
        { role: "system", content: `Summary of what came before: ${summary}` },
        user("What is my name?"),
      ],
    });
    expect(text).toBe("Your name is Alice.");
  });
});

describe("tools", () => {
  test("asks for the weather where the user lives", async () => {
    const { text, steps } = await run("My name is Al and I live in Lisbon. How is the weather?");
    expect(steps).toEqual([['call-1 get_weather {"city":"Lisbon"}'], []]);
    expect(text).toBe("Al, Lisbon: 24 °C.");
    expect((await run("How is the weather in Oslo?")).text).toBe("Oslo: 8 °C.");
    expect((await run("How is the weather?")).text).toBe("Where? You have not told me where you live.");
    expect(await ask("How is the weather in Oslo?")).toBe("This conversation does not say.");
  });

  test("names the place by the property that the tool has", async () => {
    const get_weather = tool({ inputSchema: z.object({ location: z.string() }), execute: () => "fine" });
    const { steps } = await generateText({
      model,
      tools: { get_weather },
      prompt: "Is the weather in Rome good?",
    });
    expect(steps[0]?.toolCalls[0]?.input).toEqual({ location: "Rome" });
  });

  test("calls the tool that it is told to call", async () => {
    const { text, steps } = await run('Please use add {"a": 1, "b": 2}.');
    expect(steps).toEqual([['call-1 add {"a":1,"b":2}'], []]);
    expect(text).toBe('add says: {"sum":3}');
    expect((await run("use get_time")).text).toBe("get_time says: noon");
  });

  test("several in one text are called at once, and after a 'then' one after another", async () => {
    const { text, steps } = await run(
      'First use add {"a":1,"b":2} and call get_time {}, then use add {"a":3,"b":4}. Then use delete_file {"path":"then use } x"}',
    );
    expect(steps).toEqual([
      ['call-1 add {"a":1,"b":2}', "call-2 get_time {}"],
      ['call-3 add {"a":3,"b":4}'],
      ['call-4 delete_file {"path":"then use } x"}'],
      [],
    ]);
    expect(text.split("\n")).toEqual([
      'add says: {"sum":3}',
      "get_time says: noon",
      'add says: {"sum":7}',
      "delete_file says: deleted then use } x",
    ]);
  });

  test("a tool that is not offered is not called, unless with a !", async () => {
    expect(await run("use shred {}")).toEqual({ text: "I have no tool shred.", steps: [[]] });
    const { text, steps } = await run('use! shred {"all":true}');
    expect(steps).toEqual([['call-1 shred {"all":true}'], []]);
    expect(text).toMatch(/^shred failed: .*unavailable tool 'shred'/);
  });

  test("malformed arguments are passed on as they were dictated", async () => {
    for (const [prompt, input] of [
      ["use add not-json", "not-json"],
      ['use add {"a": 1, "b": }', '{"a": 1, "b": }'],
      ['use add {"a": 1, "b": 2', '{"a": 1, "b": 2'],
    ] as const) {
      const { steps, text } = await generateText({ model, tools, prompt, stopWhen: isStepCount(3) });
      expect(steps[0]?.toolCalls[0]).toMatchObject({ toolName: "add", input, invalid: true });
      expect(text).toMatch(/^add failed: .*Invalid input for tool add/);
    }
  });

  test("plain English is no command", async () => {
    expect(await run("Call me Bob.")).toEqual({ text: "Nice to meet you, Bob.", steps: [[]] });
    expect((await run("I use add to count my sheep")).steps).toEqual([[]]);
  });

  test("an error and a denial are named as such", async () => {
    expect((await run("use fail {}")).text).toBe("fail failed: Error: the disk is full.");
    const messages: ModelMessage[] = [
      user('use delete_file {"path":"a"}'),
      {
        role: "assistant",
        content: [{ type: "tool-call", toolCallId: "call-1", toolName: "delete_file", input: { path: "a" } }],
      },
      {
        role: "tool",
        content: [
          {
            type: "tool-result",
            toolCallId: "call-1",
            toolName: "delete_file",
            output: { type: "execution-denied", reason: "I need it" },
          },
        ],
      },
    ];
    const { text } = await generateText({ model, tools, messages });
    expect(text).toBe("You did not approve delete_file: I need it.");
  });

  test("ids go on from the highest that is to be seen", async () => {
    const window: ModelMessage[] = [
      {
        role: "assistant",
        content: [{ type: "tool-call", toolCallId: "call-17", toolName: "get_time", input: {} }],
      },
      {
        role: "tool",
        content: [
          {
            type: "tool-result",
            toolCallId: "call-17",
            toolName: "get_time",
            output: { type: "text", value: "1" },
          },
        ],
      },
      user("use get_time"),
    ];
    const { toolCalls } = await generateText({ model, tools, messages: window });
    expect(toolCalls.map(({ toolCallId }) => toolCallId)).toEqual(["call-18"]);
  });

  test("keeps to the tool choice", async () => {
    const none = await generateText({ model, tools, toolChoice: "none", prompt: "use get_time {}" });
    expect(none.text).toBe("I have no tool get_time.");
    const one = await generateText({
      model,
      tools,
      toolChoice: { type: "tool", toolName: "add" },
      prompt: "a is 4, b is 5",
    });
    expect(one.toolCalls[0]?.input).toEqual({ a: 4, b: 5 });
    const any = await generateText({ model, tools, toolChoice: "required", prompt: "I live in Rome." });
    expect(any.toolCalls[0]).toMatchObject({ toolName: "get_weather", input: { city: "Rome" } });
  });

  test("a call that failed and was made again is told of once", async () => {
    const call = (toolCallId: string): ModelMessage => ({
      role: "assistant",
      content: [{ type: "tool-call", toolCallId, toolName: "get_weather", input: { city: "Lisbon" } }],
    });
    const result = (toolCallId: string, type: "text" | "error-text", value: string): ModelMessage => ({
      role: "tool",
      content: [{ type: "tool-result", toolCallId, toolName: "get_weather", output: { type, value } }],
    });
    const messages = [
      user("How is the weather in Lisbon?"),
      call("call-1"),
      result("call-1", "error-text", "The tool call was interrupted before it gave a result."),
    ];
    const again = await generateText({ model, tools, messages, stopWhen: isStepCount(1) });
    expect(again.toolCalls).toMatchObject([{ toolCallId: "call-2", input: { city: "Lisbon" } }]);
    const whole = [...messages, call("call-2"), result("call-2", "text", "24 °C")];
    expect((await generateText({ model, tools, messages: whole })).text).toBe("Lisbon: 24 °C.");
  });

  test("of a very long result it tells the beginning", async () => {
    const dump = tool({ inputSchema: z.object({}), execute: () => "x".repeat(1_000_000) });
    const { text } = await generateText({
      model,
      tools: { dump },
      prompt: "use dump",
      stopWhen: isStepCount(2),
    });
    expect(text).toMatch(/^dump says: x{1999}…$/);
  });
});

const FLIGHT = z.object({
  from: z.string(),
  to: z.string(),
  departureDate: z.string(),
  returnDate: z.string().optional(),
  passengers: z.number().int().positive(),
  cabin: z.enum(["economy", "business"]),
  meal: z.boolean().optional(),
  email: z.string().optional(),
  name: z.string().optional(),
});

/** Runs a turn with `collect_data`; answers with what was passed to it. */
async function collect(
  messages: string | ModelMessage[],
  {
    schema = FLIGHT,
    instructions = "",
    refuse = false,
  }: { schema?: z.ZodType<object>; instructions?: string; refuse?: boolean } = {},
): Promise<{ passed: object[]; text: string; messages: ModelMessage[] }> {
  const passed: object[] = [];
  const collect_data = tool({
    inputSchema: schema instanceof z.ZodObject ? schema.partial() : schema,
    execute: (input: object) => {
      passed.push(input);
      if (refuse) throw new Error("that does not fit");
      return { saved: Object.keys(input) };
    },
  });
  const list = typeof messages === "string" ? [user(messages)] : messages;
  const result = await generateText({
    model,
    tools: { collect_data },
    messages: list,
    stopWhen: isStepCount(4),
    ...(instructions && { instructions }),
  });
  return { passed, text: result.text, messages: [...list, ...result.responseMessages] };
}

describe("collected data", () => {
  test.each<[string, object]>([
    [
      "I want to fly from New York to Lisbon on 2026-12-01 for 2 people, economy please.",
      { from: "New York", to: "Lisbon", departureDate: "2026-12-01", passengers: 2, cabin: "economy" },
    ],
    ["from lisbon to oslo", { from: "lisbon", to: "oslo" }],
    [
      "Departure date is 2026-12-01 and return date: 2026-12-09.",
      { departureDate: "2026-12-01", returnDate: "2026-12-09" },
    ],
    [
      "2026-12-01 until 2026-12-09, business",
      { departureDate: "2026-12-01", returnDate: "2026-12-09", cabin: "business" },
    ],
    ["We are three travellers.", { passengers: 3 }],
    ["3", { passengers: 3 }],
    ["from: Lisbon to: Oslo", { from: "Lisbon", to: "Oslo" }],
    ["With a meal. My email is ada@example.com.", { meal: true, email: "ada@example.com" }],
    ["Without meal, write to ada.l@mail.example.com", { meal: false, email: "ada.l@mail.example.com" }],
    ["Yes, please", { meal: true }],
    ["My name is Ada Lovelace and we are 2 adults", { name: "Ada Lovelace", passengers: 2 }],
  ])("%s", async (text, values) => {
    expect((await collect(text)).passed).toEqual([values]);
  });

  test.each<[string, z.ZodType<object>, object]>([
    ["departure city is Lisbon", z.object({ departureCity: z.string() }), { departureCity: "Lisbon" }],
    [
      "The arrival_city: São Paulo, thanks",
      z.object({ arrival_city: z.string() }),
      { arrival_city: "São Paulo" },
    ],
    ["on 2026-12-01", z.object({ start: z.iso.date(), when: z.string() }), { start: "2026-12-01" }],
    [
      "toppings: ham, olives and basil. Thanks",
      z.object({ toppings: z.array(z.string()) }),
      { toppings: ["ham", "olives", "basil"] },
    ],
    ["price is 12.50", z.object({ price: z.number() }), { price: 12.5 }],
    [
      "a table for two at 19:30",
      z.object({ partySize: z.int(), time: z.string() }),
      { partySize: 2, time: "19:30" },
    ],
    [
      "My name is Ada Lovelace",
      z.object({ firstName: z.string(), lastName: z.string() }),
      { firstName: "Ada", lastName: "Lovelace" },
    ],
    ["I live in Oslo.", z.object({ address: z.object({ city: z.string() }) }), { address: { city: "Oslo" } }],
    ['title is "Yes, and my dog"', z.object({ title: z.string() }), { title: "Yes, and my dog" }],
    ["3 nights, 2 rooms", z.object({ rooms: z.int(), nights: z.int() }), { rooms: 2, nights: 3 }],
    ["size L (really)", z.object({ size: z.enum(["S", "L (really)"]).nullable() }), { size: "L (really)" }],
  ])("%s (%#)", async (text, schema, values) => {
    expect((await collect(text, { schema })).passed).toEqual([values]);
  });

  test("nothing to collect: no call", async () => {
    for (const text of ["Hello there!", "I want to fly.", "What date is it?", "Is it far?"])
      expect((await collect(text)).passed).toEqual([]);
  });

  test("asks for the first that is missing, and takes a short answer as its value", async () => {
    const instructions = "You book flights.\nAsk for: from, to, passengers";
    const first = await collect("Hello!", { instructions });
    expect(first.text).toBe("Please tell me: from.");
    const second = await collect([...first.messages, user("Lisbon")], { instructions });
    expect(second.passed).toEqual([{ from: "Lisbon" }]);
    expect(second.text).toBe("Noted: from: Lisbon. Please tell me: to.");
    const third = await collect([...second.messages, user("thanks")], { instructions });
    expect(third).toMatchObject({ passed: [], text: "Please tell me: to." });
    const fourth = await collect([...third.messages, user("to Oslo, 2 people")], { instructions });
    expect(fourth.passed).toEqual([{ to: "Oslo", passengers: 2 }]);
    expect(fourth.text).toBe("Noted: to: Oslo, passengers: 2.");
  });

  test("says what is completed, and then begins anew", async () => {
    const first = await collect("passengers: 2", { instructions: "Completed: Book a flight" });
    expect(first.text).toBe("Noted: passengers: 2. Book a flight: done.");
    const messages = [...first.messages, user("Another one!")];
    const second = await collect(messages, { instructions: "Ask for: passengers" });
    expect(second.text).toBe("Please tell me: passengers.");
  });

  test("a correction is passed again; a date goes where none is known", async () => {
    const first = await collect("from Lisbon, 2026-12-01");
    const second = await collect([...first.messages, user("2026-12-09, and from Porto")]);
    expect(second.passed).toEqual([{ from: "Porto", returnDate: "2026-12-09" }]);
  });

  test("what is refused is tried once", async () => {
    const { passed, text } = await collect("to Oslo", { refuse: true, instructions: "Ask for: to" });
    expect(passed).toEqual([{ to: "Oslo" }]);
    expect(text).toBe("collect_data failed: Error: that does not fit.\nPlease tell me: to.");
  });
});

describe("routes", () => {
  const enter_route = tool({
    inputSchema: z.object({
      route: z.enum(["booking", "refund"]).describe("booking: Book a flight; refund: Get money back"),
    }),
    execute: ({ route }) => `entered ${route}`,
  });

  test.each([
    ["I would like to book a flight to Oslo.", "booking"],
    ["I want my money back, get it?", "refund"],
    ["REFUND!", "refund"],
    ["I like flights", undefined],
    ["rebooking", undefined],
  ])("%s → %s", async (prompt, route) => {
    const { steps } = await generateText({ model, tools: { enter_route }, prompt, stopWhen: isStepCount(4) });
    const calls = steps.flatMap(({ toolCalls }) => toolCalls.map(({ input }) => input));
    expect(calls).toEqual(route === undefined ? [] : [{ route }]);
  });

  test("a route is entered before data is collected for it", async () => {
    const collect_data = tool({ inputSchema: z.object({ to: z.string().optional() }), execute: () => "ok" });
    const { steps, text } = await generateText({
      model,
      tools: { collect_data, enter_route },
      prompt: "book a flight to Oslo",
      instructions: "Ask for: to, when",
      stopWhen: isStepCount(5),
    });
    expect(steps.map(({ toolCalls }) => toolCalls.map(({ toolName }) => toolName))).toEqual([
      ["enter_route"],
      ["collect_data"],
      [],
    ]);
    expect(text).toBe("Noted: to: Oslo. Please tell me: when.");
  });
});

describe("structured output", () => {
  test("holds what the user told, and the plainest value for what is required besides", async () => {
    const { output } = await generateText({
      model,
      output: Output.object({
        schema: z.object({
          name: z.string(),
          city: z.string(),
          title: z.string(),
          age: z.int().min(1),
          isMember: z.boolean(),
          tags: z.array(z.string()),
          cabin: z.enum(["economy", "business"]),
          mood: z.enum(["sad", "glad"]),
          nested: z.object({ count: z.number(), kind: z.literal("x") }),
          nickname: z.string().optional(),
        }),
      }),
      messages: [user("My name is Alice."), assistant("…"), user("I live in Lisbon and fly business.")],
    });
    expect(output).toEqual({
      name: "Alice",
      city: "Lisbon",
      title: "",
      age: 1,
      isMember: false,
      tags: [],
      cabin: "business",
      mood: "sad",
      nested: { count: 0, kind: "x" },
    });
  });

  test("streams, in parts, what ends as the whole", async () => {
    const result = streamText({
      model,
      output: Output.object({ schema: z.object({ from: z.string(), to: z.string() }) }),
      prompt: "from Lisbon to Oslo",
    });
    const partial = await all(result.partialOutputStream);
    expect(partial.at(-1)).toEqual({ from: "Lisbon", to: "Oslo" });
    expect(await result.output).toEqual({ from: "Lisbon", to: "Oslo" });
  });

  test("choices, arrays and plain JSON", async () => {
    const choice = await generateText({
      model,
      output: Output.choice({ options: ["sun", "rain"] }),
      prompt: "Rain?",
    });
    expect(choice.output).toBe("rain");
    const array = await generateText({
      model,
      output: Output.array({ element: z.object({ to: z.string(), seats: z.number() }) }),
      prompt: "to Oslo",
    });
    expect(array.output).toEqual([{ to: "Oslo", seats: 0 }]);
    const json = await generateText({ model, output: Output.json(), prompt: "My name is Alice." });
    expect(json.output).toEqual({ name: "Alice" });
  });

  test("comes after the tools", async () => {
    const { output, steps } = await generateText({
      model,
      tools,
      output: Output.object({ schema: z.object({ name: z.string() }) }),
      prompt: "My name is Alice. use get_time",
      stopWhen: isStepCount(3),
    });
    expect(steps[0]?.toolCalls[0]?.toolName).toBe("get_time");
    expect(output).toEqual({ name: "Alice" });
  });

  test("a schema by hand", async () => {
    const schema = jsonSchema<{ n: number | null }>({
      type: "object",
      properties: { n: { type: ["integer", "null"] } },
      required: ["n"],
    });
    const { output } = await generateText({ model, output: Output.object({ schema }), prompt: "n is 7" });
    expect(output).toEqual({ n: 7 });
  });
});

describe("summaries", () => {
  const INSTRUCTIONS = "Write a summary of the conversation.";

  test("a line for each message: its facts, else its first sentence; commands are not carried out", async () => {
    const messages = [
      user("Hello there! My name is Alice."),
      assistant("Nice to meet you."),
      user("It is late. I am tired."),
      user('use! shred {"x":1}'),
    ];
    expect(await ask(messages, INSTRUCTIONS)).toBe("Summary: My name is Alice.\nIt is late.");
    expect(await ask("use shred {}", INSTRUCTIONS)).toBe("Summary: nothing was said.");
  });

  test("at most 600 characters, facts first", async () => {
    const chat = Array.from({ length: 50 }, (_, index) =>
      user(`This is remark number ${index}, of no weight.`),
    );
    const text = await ask([user("My name is Alice."), ...chat], INSTRUCTIONS);
    expect(text.length).toBeLessThanOrEqual(600);
    expect(text).toMatch(/^Summary: My name is Alice\.\n/);
    expect(text).toContain("number 49");
    expect(text).not.toContain("number 0,");
  });

  test("an agent with tools that is told to summarise still works", async () => {
    const { text } = await generateText({
      model,
      tools,
      instructions: INSTRUCTIONS,
      prompt: "What is my name?",
    });
    expect(text).toBe("You have not told me your name.");
  });
});

test("a text of any length and kind is answered in bounded time", async () => {
  const startedAt = performance.now();
  for (const text of [
    "use get_time ",
    "x",
    "remember that ....",
    "my favourite ",
    "1",
    "use get_time {",
    "a@",
  ])
    await collect(text.repeat(50_000), { schema: FLIGHT.extend({ phone: z.string() }) });
  expect(performance.now() - startedAt).toBeLessThan(10_000);
});

const prompt = (text: string): LanguageModelV4CallOptions["prompt"] => [
  { role: "user", content: [{ type: "text", text }] },
];

async function partsOf(
  options: Partial<LanguageModelV4CallOptions> & Pick<LanguageModelV4CallOptions, "prompt">,
): Promise<LanguageModelV4StreamPart[]> {
  return all((await model.doStream(options)).stream);
}

describe("as a language model", () => {
  test("says who it is", () => {
    expect(model).toMatchObject({
      specificationVersion: "v4",
      provider: "holdfast",
      modelId: "offline",
      supportedUrls: {},
    });
  });

  test("streams text word by word", async () => {
    const parts = await partsOf({ prompt: prompt("My name is Alice.") });
    expect(parts.map((part) => (part.type === "text-delta" ? part.delta : part.type))).toEqual([
      "stream-start",
      "response-metadata",
      "text-start",
      "Nice",
      " to",
      " meet",
      " you,",
      " Alice.",
      "text-end",
      "finish",
    ]);
  });

  test("streams tool calls with their arguments in pieces", async () => {
    const parts = await partsOf({
      prompt: prompt('use a {"text":"a longer one 🙂🙂"} and use! b {}'),
      tools: [{ type: "function", name: "a", inputSchema: {} }],
    });
    expect(parts.map((part) => (part.type === "tool-input-delta" ? part.delta : part.type))).toEqual([
      "stream-start",
      "response-metadata",
      "tool-input-start",
      '{"text":"a l',
      "onger one 🙂🙂",
      '"}',
      "tool-input-end",
      "tool-call",
      "tool-input-start",
      "{}",
      "tool-input-end",
      "tool-call",
      "finish",
    ]);
    expect(parts.at(-1)).toMatchObject({ finishReason: { unified: "tool-calls" } });
  });

  test("streams and answers the same, each time, with the same usage", async () => {
    const generated = await generateText({ model, prompt: "My name is Alice." });
    const streamed = streamText({ model, prompt: "My name is Alice." });
    const types: string[] = [];
    for await (const part of streamed.stream) types.push(part.type);
    expect(types.filter((type) => type !== "text-delta")).toEqual([
      "start",
      "start-step",
      "text-start",
      "text-end",
      "finish-step",
      "finish",
    ]);
    expect(await streamed.text).toBe(generated.text);
    expect(await streamed.finishReason).toBe("stop");
    // 17 characters in, "Nice to meet you, Alice." has 24.
    expect(generated.usage).toMatchObject({ inputTokens: 5, outputTokens: 6, totalTokens: 11 });
    expect(await streamed.usage).toEqual(generated.usage);
  });

  test("usage counts instructions, calls and results", async () => {
    const { steps } = await generateText({
      model,
      tools,
      instructions: "1234",
      prompt: "use get_time {}",
      stopWhen: isStepCount(2),
    });
    // "1234", the 15 characters of the command; the call: get_time and {}.
    expect(steps[0]?.usage).toMatchObject({ inputTokens: 5, outputTokens: 3 });
    // And the call (8 + 2), and the result (8 and {"type":"text","value":"noon"}, 30).
    expect(steps[1]?.usage).toMatchObject({ inputTokens: Math.ceil((19 + 10 + 38) / 4), outputTokens: 5 });
  });

  test("an abort before the start", async () => {
    const reason = new Error("no longer wanted");
    const abortSignal = AbortSignal.abort(reason);
    await expect(model.doGenerate({ prompt: prompt("Hi"), abortSignal })).rejects.toBe(reason);
    await expect(model.doStream({ prompt: prompt("Hi"), abortSignal })).rejects.toBe(reason);
    await expect(generateText({ model, prompt: "Hi", abortSignal })).rejects.toBe(reason);
  });

  test("an abort while it is waited for ends it at once", async () => {
    const slow = offlineModel({ delayMs: 60_000 });
    const reason = new Error("no longer wanted");
    const startedAt = performance.now();
    for (const start of [
      async (abortSignal: AbortSignal) => slow.doGenerate({ prompt: prompt("Hi"), abortSignal }),
      async (abortSignal: AbortSignal) =>
        (await slow.doStream({ prompt: prompt("Hi"), abortSignal })).stream.getReader().read(),
    ]) {
      const controller = new AbortController();
      const answer = start(controller.signal);
      setTimeout(() => controller.abort(reason), 20);
      await expect(answer).rejects.toBe(reason);
    }
    expect(performance.now() - startedAt).toBeLessThan(2000);
  });

  test("an abort in mid-stream: what was said stays said, and no more comes", async () => {
    const slow = offlineModel({ chunkDelayMs: 100 });
    const reason = new Error("no longer wanted");
    const controller = new AbortController();
    const { stream } = await slow.doStream({
      prompt: prompt("My name is Alice."),
      abortSignal: controller.signal,
    });
    const said: string[] = [];
    const reading = (async () => {
      for await (const part of stream) {
        if (part.type === "text-delta") said.push(part.delta);
        if (said.length === 2) controller.abort(reason);
      }
    })();
    await expect(reading).rejects.toBe(reason);
    expect(said).toEqual(["Nice", " to"]);
  });

  test("an abort in mid-stream, through the AI SDK", async () => {
    const controller = new AbortController();
    const result = streamText({
      model: offlineModel({ chunkDelayMs: 50 }),
      prompt: "My name is Alice.",
      abortSignal: controller.signal,
    });
    const types: string[] = [];
    let said = "";
    for await (const part of result.stream) {
      types.push(part.type);
      if (part.type !== "text-delta") continue;
      said += part.text;
      controller.abort(new Error("no longer wanted"));
    }
    expect(said).toBe("Nice");
    expect(types.at(-1)).toBe("abort");
  });

  test("takes the time that it is given", async () => {
    const timed = streamText({
      model: offlineModel({ delayMs: 60, chunkDelayMs: 20 }),
      prompt: "My name is Alice.",
    });
    const startedAt = performance.now();
    const at: number[] = [];
    for await (const text of timed.textStream) at.push(text === "" ? 0 : performance.now() - startedAt);
    expect(at).toHaveLength(5);
    // Timers may fire a millisecond early.
    expect(at[0]).toBeGreaterThanOrEqual(58);
    expect((at[4] ?? 0) - (at[0] ?? 0)).toBeGreaterThanOrEqual(4 * 19);
  });
});
