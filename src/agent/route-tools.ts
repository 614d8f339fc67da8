/**
 * @module
 * The tools by which a model moves along routes, and what it is told of them.
 */
import { jsonSchema } from "ai";
import { invalidArgument } from "../log/errors.ts";
import type { SessionRecord } from "../log/record.ts";
import { isPlainObject } from "../log/values.ts";
import { problemsWith } from "../session/data.ts";
import type { Session } from "../session/types.ts";
import type { KnownRoute } from "./routes.ts";
import { isCompleted, lastRouteOf } from "./routes.ts";
import { withEffects } from "./tools.ts";
import type { AgentTools } from "./types.ts";

export const COLLECT_DATA = "collect_data";
export const ENTER_ROUTE = "enter_route";

/** What is told once a change of the session's routes is committed. */
export interface RouteListener {
  entered(route: KnownRoute): unknown;
  collected(route: KnownRoute, previous: Readonly<Record<string, unknown>>): unknown;
  completed(route: KnownRoute): unknown;
}

export interface RouteKit {
  readonly tools: AgentTools;
  /** For the system prompt. */
  readonly instructions: string;
}

/** What the model may do on the routes, and is told of them, where the session is at `record`. */
export function routeKit(
  routes: readonly KnownRoute[],
  session: Session,
  record: SessionRecord,
  listener: RouteListener,
): RouteKit {
  const current = routes.find(({ route }) => route.id === record.route?.id);
  const open = routes.filter((known) => known !== current && !isCompleted(record, known.route.id));
  return {
    tools: {
      ...(current && { [COLLECT_DATA]: collectTool(current, session, listener) }),
      ...(open.length > 0 && { [ENTER_ROUTE]: enterTool(open, session, listener) }),
    },
    instructions: [
      ...(current ? [aboutRoute(current, record)] : aboutFinished(routes, record)),
      ...(open.length > 0 ? [aboutOthers(open)] : []),
    ].join("\n"),
  };
}

/** @throws INVALID_ARGUMENT where a tool of the user's has the name of one of these. */
export function checkToolNames(tools: AgentTools): void {
  const taken = [COLLECT_DATA, ENTER_ROUTE].find((name) => Object.hasOwn(tools, name));
  if (taken !== undefined)
    throw invalidArgument(
      `an agent with routes has a tool ${JSON.stringify(taken)} of its own; rename yours`,
    );
}

function aboutRoute(known: KnownRoute, record: SessionRecord): string {
  const { route } = known;
  const progress = known.progress(record);
  return [
    `You collect data for: ${route.title}.`,
    ...(progress.step?.instructions === undefined ? [] : [progress.step.instructions]),
    `Ask for: ${progress.missing.join(", ")}`,
    `Known: ${JSON.stringify(progress.known)}`,
    `Call ${COLLECT_DATA} with what the user tells you. Never make up a value.`,
  ].join("\n");
}

function aboutFinished(routes: readonly KnownRoute[], record: SessionRecord): string[] {
  const last = routes.find(({ route }) => route.id === lastRouteOf(record));
  if (!last || !isCompleted(record, last.route.id)) return [];
  return [`Completed: ${last.route.title}`, `Collected: ${JSON.stringify(last.progress(record).known)}`];
}

function aboutOthers(routes: readonly KnownRoute[]): string {
  const list = routes.map(({ route: { id, title, description } }) =>
    description === undefined ? `- ${id}: ${title}` : `- ${id}: ${title} (${description})`,
  );
  return [`Call ${ENTER_ROUTE} when the user wants one of these:`, ...list].join("\n");
}

function collectTool(known: KnownRoute, session: Session, listener: RouteListener): AgentTools[string] {
  const { route, fields, properties } = known;
  return {
    description: `Saves what the user said for: ${route.title}. Give only the fields that the user gave.`,
    inputSchema: jsonSchema<Record<string, unknown>>(
      { type: "object", properties: { ...properties }, additionalProperties: false },
      { validate: (value) => ({ success: true, value: isPlainObject(value) ? value : {} }) },
    ),
    // What it brings is committed with its result; itself it changes nothing.
    readOnly: true,
    async execute(input: Record<string, unknown>) {
      const { record } = session;
      const before = known.progress(record);
      const patch = Object.fromEntries(
        Object.entries(input).filter(([, value]) => value !== undefined && value !== null),
      );
      const names = Object.keys(patch);
      const foreign = names.filter((name) => !fields.includes(name));
      if (foreign.length > 0)
        throw invalidArgument(`there is no field ${foreign.join(", ")}; nothing was saved`);
      if (names.length === 0) throw invalidArgument("no field was given; nothing was saved");
      const problems = await problemsWith(route.data, { ...before.known, ...patch });
      if (problems.length > 0) throw invalidArgument(`nothing was saved: ${problems.join("; ")}`);
      const own = { ...record.dataByRoute[route.id], ...patch };
      const after = known.progress({ ...record, dataByRoute: { ...record.dataByRoute, [route.id]: own } });
      const output = { saved: names, missing: after.missing, complete: after.step === undefined };
      return withEffects(output, {
        changes: (target) => [
          target.setData(patch, { route: route.id }),
          ...(after.step === undefined
            ? [target.completeRoute(route.id)]
            : record.route?.id !== route.id || after.step.id === record.step?.id
              ? []
              : [target.enterStep({ id: after.step.id })]),
        ],
        async after() {
          await listener.collected(known, record.data);
          if (after.step === undefined && !isCompleted(record, route.id)) await listener.completed(known);
        },
      });
    },
  };
}

function enterTool(
  open: readonly KnownRoute[],
  session: Session,
  listener: RouteListener,
): AgentTools[string] {
  const titles = open.map(({ route }) => `${route.id}: ${route.title}`).join("; ");
  const ids = open.map(({ route }) => route.id);
  return {
    description: "Begins one of the routes, or goes back to it. What was collected on it before is kept.",
    inputSchema: jsonSchema<{ route: string }>({
      type: "object",
      properties: { route: { type: "string", enum: ids, description: titles } },
      required: ["route"],
      additionalProperties: false,
    }),
    readOnly: true,
    async execute({ route: id }: { route: string }) {
      const known = open.find(({ route }) => route.id === id);
      if (!known) throw invalidArgument(`there is no route ${JSON.stringify(id)} to enter`);
      const { missing, step } = known.progress(session.record);
      return withEffects(
        { entered: id, missing, complete: step === undefined },
        { changes: (target) => entering(known, target), after: () => told(known, session, listener) },
      );
    },
  };
}

/** The changes by which a session comes onto a route. One whose data is all there is complete at once. */
export function entering(known: KnownRoute, session: Session): Promise<unknown>[] {
  const { id, title } = known.route;
  const { step } = known.progress(session.record);
  return [
    session.enterRoute({ id, title }, step && { id: step.id }),
    ...(step ? [] : [session.completeRoute(id)]),
  ];
}

export async function told(known: KnownRoute, session: Session, listener: RouteListener): Promise<void> {
  await listener.entered(known);
  if (isCompleted(session.record, known.route.id)) await listener.completed(known);
}
