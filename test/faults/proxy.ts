/**
 * @module
 * A loopback proxy in front of a server, that spoils one exchange: it knows no protocol, only the bytes that mark the
 * exchange. What is sent before and after goes through as it is.
 */
import type { Socket } from "node:net";
import { connect, createServer } from "node:net";

export type Fault =
  /** The connection breaks before the request reaches the server. */
  | "before"
  /** The server gets the request; the connection breaks before its answer comes back. */
  | "after"
  /** Half of the request reaches the server, then the connection breaks. */
  | "half-request"
  /** Half of the answer comes back, then the connection breaks. */
  | "half-answer"
  /** The request is held back for so long that whoever waits may give up, and then goes on. */
  | "stall";

export interface Trap {
  readonly fault: Fault;
  /** What the request holds. */
  readonly mark: string;
  /** Where a request is several packets: what the one holds that is to be spoiled, from the mark on. */
  readonly last?: string;
  /** For `stall`. */
  readonly stallMs?: number;
}

export interface FaultProxy {
  readonly port: number;
  /** Spoils the next exchange that has the mark. Resolves once that is done. */
  arm(trap: Trap): Promise<void>;
  /** Breaks every connection, and refuses new ones until `heal`. Answers with how many it broke. */
  down(): number;
  heal(): void;
  close(): Promise<void>;
}

interface Armed extends Trap {
  readonly done: () => void;
}

/** Starts a proxy on a free port to `port` of this machine. */
export async function startProxy(port: number): Promise<FaultProxy> {
  const sockets = new Set<Socket>();
  let armed: Armed | undefined;
  let isDown = false;

  const join = (client: Socket): void => {
    if (isDown) return void client.destroy();
    const server = connect(port, "127.0.0.1");
    const destroy = (): void => {
      client.destroy();
      server.destroy();
    };
    /** Whether the mark went by here, and what is to become of the answer. */
    let isMarked = false;
    let answer: "whole" | "none" | "half" = "whole";
    for (const socket of [client, server]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      // A connection that breaks is what is tested; the other side of it breaks too.
      socket.on("error", destroy);
      socket.on("close", () => {
        sockets.delete(socket);
        destroy();
      });
    }
    client.on("data", (chunk) => {
      const trap = armed;
      if (trap && chunk.includes(trap.mark)) isMarked = true;
      if (!trap || !isMarked || (trap.last !== undefined && !chunk.includes(trap.last))) {
        server.write(chunk);
        return;
      }
      armed = undefined;
      isMarked = false;
      switch (trap.fault) {
        case "before":
          destroy();
          break;
        case "half-request":
          server.write(chunk.subarray(0, Math.floor(chunk.length / 2)), destroy);
          break;
        case "after":
        case "half-answer":
          answer = trap.fault === "after" ? "none" : "half";
          server.write(chunk);
          server.once("data", () => trap.done());
          return;
        case "stall":
          client.pause();
          setTimeout(() => {
            if (!server.destroyed) server.write(chunk);
            client.resume();
          }, trap.stallMs);
          break;
      }
      trap.done();
    });
    server.on("data", (chunk) => {
      if (answer === "none") return destroy();
      if (answer === "half") {
        client.write(chunk.subarray(0, Math.floor(chunk.length / 2)), destroy);
        return;
      }
      client.write(chunk);
    });
  };

  const listener = createServer(join);
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  const address = listener.address();
  if (typeof address !== "object" || address === null) throw new Error("no port is free");
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: address.port,
    arm: (trap) =>
      new Promise((resolve) => {
        armed = { ...trap, done: resolve };
      }),
    down() {
      isDown = true;
      const broken = sockets.size;
      cut();
      return broken;
    },
    heal() {
      isDown = false;
    },
    async close() {
      const closed = new Promise((resolve) => listener.close(resolve));
      cut();
      await closed;
    },
  };
}
