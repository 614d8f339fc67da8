/**
 * @module
 * Memory driven by hand: text that was made and checked before, pushed to an array.
 */
export interface MemoryFloor {
  create(id: string): void;
  append(id: string, text: string): void;
}

export function memoryFloor(): MemoryFloor {
  const sessions = new Map<string, string[]>();
  return {
    create(id) {
      sessions.set(id, []);
    },
    append(id, text) {
      sessions.get(id)?.push(text);
    },
  };
}
