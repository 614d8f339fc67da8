/**
 * @module
 * Routes: data that is collected over several turns, step by step. The log knows where a session is on its routes;
 * this file knows what comes next.
 */
import { asSchema } from "ai";
import { invalidArgument } from "../log/errors.ts";
import type { SessionRecord } from "../log/record.ts";
import { isPlainObject } from "../log/values.ts";
import type { DataSchema } from "../session/data.ts";

export interface RouteStep {
  readonly id: string;
  /** The fields that this step asks for. It is passed over where they are known. */
  readonly collect: readonly string[];
  /** What the model is told of this step. */
  readonly instructions?: string;
}

/** What a route's hooks are told. */
export interface RouteEvent<D = Readonly<Record<string, unknown>>> {
  readonly routeId: string;
  readonly sessionId: string;
  readonly userId?: string;
  readonly data: D;
}

export interface Route {
  readonly id: string;
  readonly title: string;
  /** When to take it, for a model that may choose among several. */
  readonly description?: string;
  readonly data: DataSchema;
  readonly steps: readonly RouteStep[];
  /** A session came onto the route. Told once that is committed. */
  onEnter?(event: RouteEvent): unknown;
  /** All data is there. Told once that is committed. */
  onComplete?(event: RouteEvent): unknown;
}

type KeyOf<D> = keyof D & string;

export interface RouteDefinition<D extends object>
  extends Omit<Route, "data" | "steps" | "onEnter" | "onComplete"> {
  /** What is collected: an object, each field of which is checked before it is saved. */
  readonly data: DataSchema<D>;
  readonly steps: readonly (Omit<RouteStep, "collect"> & { readonly collect: readonly KeyOf<D>[] })[];
  onEnter?(event: RouteEvent<Readonly<Partial<D>>>): unknown;
  onComplete?(event: RouteEvent<Readonly<D>>): unknown;
}

/**
 * Defines a route. It is complete once every field that its steps collect is known, those excepted that its schema
 * does not require.
 *
 * @throws INVALID_ARGUMENT where it has no id, no steps, or two steps of one id.
 * @example
 * ```ts
 * import { route } from "holdfast/agent";
 * import { z } from "zod";
 * const booking = route({
 *   id: "booking",
 *   title: "Book a flight",
 *   data: z.object({ from: z.string(), to: z.string(), day: z.iso.date() }),
 *   steps: [{ id: "where", collect: ["from", "to"] }, { id: "when", collect: ["day"] }],
 * });
 * ```
 */
export function route<D extends object>(definition: RouteDefinition<D>): Route {
  const { id, title, steps } = definition;
  if (!id || !title) throw invalidArgument("a route needs an id and a title");
  const ids = new Set(steps.map((step) => step.id));
  if (steps.length === 0)
    throw invalidArgument(`route ${JSON.stringify(id)} has no steps; give it at least one`);
  if (ids.size < steps.length)
    throw invalidArgument(`route ${JSON.stringify(id)} has two steps of one id; name each differently`);
  if (steps.some(({ collect }) => collect.length === 0))
    throw invalidArgument(`route ${JSON.stringify(id)} has a step that collects nothing`);
  return definition;
}

/** Where a session is on a route. */
export interface Progress {
  /** The first step that lacks something. */
  readonly step: RouteStep | undefined;
  /** What that step lacks. */
  readonly missing: readonly string[];
  readonly known: Readonly<Record<string, unknown>>;
}

/** A route with its data as JSON Schema. */
export interface KnownRoute {
  readonly route: Route;
  readonly fields: readonly string[];
  readonly properties: Readonly<Record<string, unknown>>;
  progress(record: SessionRecord): Progress;
}

/** Reads the route's schema. One of a library that can't tell it as JSON Schema leaves each field open. */
export async function knownRoute(given: Route): Promise<KnownRoute> {
  const schema = await jsonSchemaOf(given.data);
  const fields = [...new Set(given.steps.flatMap(({ collect }) => collect))];
  const all = isPlainObject(schema.properties) ? schema.properties : {};
  const required = Array.isArray(schema.required) ? new Set<unknown>(schema.required) : undefined;
  const isNeeded = (field: string): boolean => required?.has(field) ?? true;
  const properties = Object.fromEntries(
    fields.map((field) => [field, Object.hasOwn(all, field) ? all[field] : {}]),
  );
  return {
    route: given,
    fields,
    properties,
    progress(record) {
      const known = knownOf(record, given.id, fields);
      const lacking = given.steps.map(({ collect }) =>
        collect.filter((field) => isNeeded(field) && !Object.hasOwn(known, field)),
      );
      const next = lacking.findIndex((missing) => missing.length > 0);
      return { step: given.steps[next], missing: lacking[next] ?? [], known };
    },
  };
}

async function jsonSchemaOf(schema: DataSchema): Promise<Record<string, unknown>> {
  // Only the AI SDK knows how each library is asked; what it can't ask has no such schema.
  const found: unknown = await Promise.resolve()
    .then(() => asSchema(schema).jsonSchema)
    .catch(() => ({}));
  return isPlainObject(found) ? found : {};
}

/** What is known of `fields`: what was collected on the route, else what the session knows from elsewhere. */
function knownOf(record: SessionRecord, routeId: string, fields: readonly string[]): Record<string, unknown> {
  const own = Object.hasOwn(record.dataByRoute, routeId) ? record.dataByRoute[routeId] : undefined;
  const known: Record<string, unknown> = {};
  for (const field of fields) {
    const source = own && Object.hasOwn(own, field) ? own : record.data;
    if (Object.hasOwn(source, field) && source[field] !== undefined) known[field] = source[field];
  }
  return known;
}

/** Whether the route was entered and its newest visit is over. */
export function isCompleted(record: SessionRecord, routeId: string | undefined): boolean {
  const visit = record.routeHistory.findLast(({ route: id }) => id === routeId);
  return visit?.completedAt !== undefined;
}

/** The route that the session is on, or was on last. */
export function lastRouteOf(record: SessionRecord): string | undefined {
  return record.route?.id ?? record.routeHistory.at(-1)?.route;
}
