/**
 * @module
 * Session documents as OpenSearch keeps them, and back.
 */
import type { SessionRecord } from "../../log/record.ts";
import type { Projection, Reservation, SessionDocument } from "../documents/driver.ts";
import type { Fields } from "./answers.ts";
import { numberOf, textOf } from "./answers.ts";
import { metadataTerms, spaceName } from "./conditions.ts";

/** All that is known of a session but its record. */
export const KEPT = [
  "key",
  "id",
  "life",
  "ordinal",
  "version",
  "seq",
  "from",
  "createdAt",
  "updatedAt",
] as const;

export function sessionOf(key: string, source: Fields): SessionDocument {
  return {
    key,
    id: textOf(source.id),
    life: textOf(source.life),
    ordinal: numberOf(source.ordinal),
    version: numberOf(source.version),
    seq: numberOf(source.seq),
    from: numberOf(source.from),
    createdAt: numberOf(source.createdAt),
    updatedAt: numberOf(source.updatedAt),
    ...(typeof source.record === "string" && { record: source.record }),
  };
}

export function reservedFields({ key, space, id, life, atMs, record }: Reservation): Fields {
  return { ...listedFields(record), key, space: spaceName(space), id, life, ordinal: 0, reservedAt: atMs };
}

export function projectedFields({ key, space, life, ordinal, from, record, text }: Projection): Fields {
  const { id, version, seq } = record;
  const place = { key, space: spaceName(space), id, life, ordinal, version, seq, from };
  return { ...listedFields(record), ...place, record: text };
}

/** What lists filter and sort by. */
function listedFields(record: SessionRecord): Fields {
  const { userId, agent, parentId, kind, label, status, createdAt, updatedAt, expiresAt } = record;
  const metadata = metadataTerms(record.metadata);
  return {
    ...{ userId, agent, parentId, kind, label, status, createdAt, updatedAt, expiresAt },
    ...(metadata.length > 0 && { metadata }),
  };
}
