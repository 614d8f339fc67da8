/**
 * @module
 * Which slot of a Cluster a key is of.
 *
 * @see https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags
 */

const SLOTS = 16_384;
/** CRC-16/XMODEM, which the specification names. */
const POLYNOMIAL = 0x1021;

export function slotOf(key: string): number {
  const begin = key.indexOf("{");
  const end = begin < 0 ? -1 : key.indexOf("}", begin + 1);
  const hashed = end > begin + 1 ? key.slice(begin + 1, end) : key;
  let crc = 0;
  for (const byte of Buffer.from(hashed)) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 0x8000 ? (crc << 1) ^ POLYNOMIAL : crc << 1;
  }
  return (crc & 0xffff) % SLOTS;
}
