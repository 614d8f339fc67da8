/**
 * @module
 * Who is told of a session's way along its routes: whoever reads the events, the route's hooks, the agent's.
 */

import { storedAs } from "../session/typed.ts";
import type { Message, Session } from "../session/types.ts";
import type { RouteListener } from "./route-tools.ts";
import type { KnownRoute, RouteEvent } from "./routes.ts";
import { isCompleted } from "./routes.ts";
import type { AgentEvent, AgentHooks, RunContext } from "./types.ts";

export function routeListener<D extends object>(
  session: Session<Message, D>,
  hooks: AgentHooks<D> | undefined,
  run: RunContext<D>,
  emit: (event: AgentEvent<D>) => void,
): RouteListener {
  const tell = (known: KnownRoute): void => {
    const { step, known: data } = known.progress(session.record);
    const isComplete = isCompleted(session.record, known.route.id);
    const { id } = known.route;
    emit({ type: "route", route: id, ...(step && { step: step.id }), data, isComplete });
  };
  const eventOf = (known: KnownRoute): RouteEvent => ({
    routeId: known.route.id,
    sessionId: session.id,
    ...(run.userId !== undefined && { userId: run.userId }),
    data: known.progress(session.record).known,
  });
  return {
    async entered(known) {
      tell(known);
      await known.route.onEnter?.(eventOf(known));
    },
    async collected(known, previous) {
      tell(known);
      await hooks?.onDataChange?.(session.data, storedAs<Readonly<Partial<D>>>(previous), run);
    },
    completed: (known) => known.route.onComplete?.(eventOf(known)),
  };
}
