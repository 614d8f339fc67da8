/**
 * @module
 * The operations of a store as spans and metrics name them, made once for each view of it.
 */
import type { SessionStore } from "../../store/store.ts";
import type { LayerMethods } from "../layer.ts";
import type { AttributeValue } from "./api.ts";
import type { Operation } from "./observe.ts";

export type OperationName = Exclude<keyof LayerMethods, "capabilities" | "onHealth" | "without">;

/** Engines whose name in the conventions is another one. https://opentelemetry.io/docs/specs/semconv/db/ */
const SYSTEMS: ReadonlyMap<string, string> = new Map([["postgres", "postgresql"]]);

export function operationsOf(below: SessionStore, recordIds: boolean): Record<OperationName, Operation> {
  const common = attributesOf(below);
  const { namespaceName } = below;
  const place = recordIds && namespaceName ? { "holdfast.namespace": namespaceName } : {};
  const of = (name: OperationName): Operation => ({
    spanName: `holdfast.${name}`,
    spanAttributes: { ...common, ...place, "db.operation.name": name },
    attributes: { ...common, "holdfast.operation": name },
  });
  return {
    commit: of("commit"),
    find: of("find"),
    read: of("read"),
    list: of("list"),
    remove: of("remove"),
    migrate: of("migrate"),
    ping: of("ping"),
    close: of("close"),
    search: of("search"),
    watch: of("watch"),
    inspect: of("inspect"),
    sweep: of("sweep"),
  };
}

/** Which store it is: its engine, and the layers between. */
export function attributesOf({ name, layers = [] }: SessionStore): Record<string, AttributeValue> {
  return {
    "db.system.name": SYSTEMS.get(name) ?? name,
    ...(layers.length > 0 && { "holdfast.store.layers": layers.join(",") }),
  };
}
