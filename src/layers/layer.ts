/**
 * @module
 * What every layer does alike: all that it doesn't change is the store's below it, a namespace of it is the layer over
 * that namespace, and it refuses to be put where it could not keep what it promises.
 */
import type { Entry } from "../log/entry.ts";
import { invalidArgument } from "../log/errors.ts";
import { isPlainObject } from "../log/values.ts";
import type { SessionStore } from "../store/store.ts";

export type LayerName = "traced" | "redacted" | "encrypted" | "offloaded" | "fallback";

/** What each layer must not be put around, and why; but where what it keeps beside has that layer too. `traced` goes anywhere. */
const REFUSED: Readonly<Record<LayerName, Readonly<Partial<Record<LayerName, string>>>>> = {
  traced: {},
  redacted: { redacted: "give one layer both rules" },
  encrypted: {
    encrypted: "once is enough; to change keys, rotate them",
    redacted: "the redaction would see ciphertext only; put it around the encryption",
  },
  offloaded: {
    offloaded: "one of them would never find anything large",
    redacted: "large values would reach the blobs with their secrets; put the redaction outside",
    encrypted: "large values would reach the blobs in clear; put the encryption outside",
  },
  fallback: {
    fallback: "give the outer one the store that the inner one is for",
    redacted: "the journal would hold what the redaction hides; put one around the journal too",
    encrypted: "the journal would hold all in clear; put one around the journal too",
  },
};

/** Layers that alone can read what they wrote. What moves it must do so through them. */
const TRANSFORMING: ReadonlySet<LayerName> = new Set(["encrypted", "offloaded"]);

/**
 * What the layers above make of a store: of the one that they are put around, or of another one that holds what they wrote
 * to that. What is read through it is as their caller wrote it, and what is committed through it is as they would write it.
 */
export type Lens = (store: SessionStore) => SessionStore;
export type Seeing = (lens: Lens, layers: number) => void;

/** What a layer changes of the store below it. It gets that store for each namespace anew. */
export type LayerMethods = Partial<Omit<SessionStore, "layers" | "name" | "namespace" | "namespaceName">> & {
  /** Optional methods of the store below that the layer does not have. */
  readonly without?: readonly ("search" | "watch" | "inspect" | "sweep")[];
};

/** What a layer has besides that moves what it was given. */
export interface Moving {
  /** Told how the layers above see it, and how many of them transform. */
  readonly seenThrough?: Seeing;
}

/** Namespaces that a layer keeps for itself begin so; nobody else gets at them through the layer. */
export const INTERNAL = "holdfast!";

/** Types of entries begin so whose content a layer above has bound to its place. */
export const SEALED_TYPE = "x.sealed.";

/** How an envelope of the encryption begins, in base64: with its version. */
const ENVELOPE = /^A[Q-Za-f][\w+/]{48}/;

/**
 * Whether a layer above has bound the entry to its place: at any other one it can't be read again, so nobody below may move
 * it. No entry of Holdfast's own types has a field `sealed` by itself; one of a user's own type is told by what is in it.
 */
export function isSealed({ type, data }: Entry): boolean {
  if (type.startsWith(SEALED_TYPE)) return true;
  if (!isPlainObject(data) || !Object.hasOwn(data, "sealed")) return false;
  if (!type.startsWith("x.")) return true;
  const { sealed, ...others } = data;
  if (Object.keys(others).length > 0) return false;
  // A large one may have gone to the blobs.
  return typeof sealed === "string" ? ENVELOPE.test(sealed) : isPlainObject(sealed);
}

const internals = new WeakMap<SessionStore, (name: string) => SessionStore>();
/** Whom to tell how the layers above a store see it. */
const seeing = new WeakMap<SessionStore, Seeing>();

/**
 * The store that `methods` makes of `inner`, in every namespace of it. What `methods` leaves out is `inner`'s.
 *
 * @param beside where the layer keeps in clear what it is given, if it does.
 * @throws INVALID_ARGUMENT where `layer` must not be put around one of the layers that `inner` has.
 */
export function layerOver(
  layer: LayerName,
  inner: SessionStore,
  methods: (inner: SessionStore) => LayerMethods & Moving,
  beside?: SessionStore,
): SessionStore {
  checkOrder(layer, inner, beside);
  const lens: Lens = (store) => viewsOver(layer, store, methods, lens);
  const store = lens(inner);
  if (TRANSFORMING.has(layer)) seeing.get(inner)?.(lens, 1);
  return store;
}

function viewsOver(
  layer: LayerName,
  inner: SessionStore,
  methods: (inner: SessionStore) => LayerMethods & Moving,
  lens: Lens,
): SessionStore {
  const views = new Map<string, WeakRef<SessionStore>>();

  const viewOf = (below: SessionStore): SessionStore => {
    const { search, watch, inspect, sweep, onHealth } = below;
    const { without = [], seenThrough, ...own } = methods(below);
    const view: SessionStore = {
      capabilities: below.capabilities,
      commit: (commits) => below.commit(commits),
      find: (ids) => below.find(ids),
      read: (id, range) => below.read(id, range),
      list: (query) => below.list(query),
      remove: (id, note) => below.remove(id, note),
      migrate: () => below.migrate(),
      ping: () => below.ping(),
      close: () => below.close(),
      ...(search && !without.includes("search") && { search: search.bind(below) }),
      ...(watch && !without.includes("watch") && { watch: watch.bind(below) }),
      ...(inspect && !without.includes("inspect") && { inspect: inspect.bind(below) }),
      ...(sweep && !without.includes("sweep") && { sweep: sweep.bind(below) }),
      ...(onHealth && { onHealth: onHealth.bind(below) }),
      ...own,
      // Errors and reports of the engine name it so.
      name: below.name,
      layers: [layer, ...(below.layers ?? [])],
      ...(below.namespaceName !== undefined && { namespaceName: below.namespaceName }),
      namespace(name) {
        if (name.startsWith(INTERNAL)) {
          throw invalidArgument(`namespaces whose name begins with "${INTERNAL}" are the layers' own`);
        }
        // The root of a nested view is that view.
        if (name === "") return view;
        return kept(below.namespace(name));
      },
    };
    internals.set(view, (name) => kept(internalOf(below, name)));
    const told = seenThrough ?? seeing.get(below);
    if (told && TRANSFORMING.has(layer))
      seeing.set(view, (outer, layers) => told((store) => outer(lens(store)), layers + 1));
    else if (told) seeing.set(view, told);
    return view;
  };

  /** The same view for the same namespace, for as long as anybody holds it: a layer may keep caches in it. */
  const kept = (below: SessionStore): SessionStore => {
    const name = below.namespaceName;
    const known = name === undefined ? undefined : views.get(name)?.deref();
    if (known) return known;
    const made = viewOf(below);
    if (name !== undefined) views.set(name, new WeakRef(made));
    return made;
  };

  return viewOf(inner);
}

/**
 * The namespace that a layer keeps for itself in `store`, for its keys or its references. No caller of the layer can name
 * it.
 */
export function internal(store: SessionStore, name: string): SessionStore {
  return internalOf(store, `${INTERNAL}${name}`);
}

function internalOf(store: SessionStore, name: string): SessionStore {
  return internals.get(store)?.(name) ?? store.namespace(name);
}

/**
 * The options that a layer can't do without; callers in JavaScript may leave them out.
 *
 * @throws INVALID_ARGUMENT that says what is `needed`.
 */
export function required<T extends object>(options: T, needed: string): T {
  if (typeof options === "object" && options !== null) return options;
  throw invalidArgument(needed);
}

function checkOrder(layer: LayerName, inner: SessionStore, beside: SessionStore | undefined): void {
  const refused: Readonly<Record<string, string | undefined>> = REFUSED[layer];
  for (const below of inner.layers ?? []) {
    const why = beside?.layers?.includes(below) ? undefined : refused[below];
    if (why !== undefined) throw invalidArgument(`${layer} can't go around ${below}: ${why}`);
  }
}
