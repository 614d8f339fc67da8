/**
 * @module
 * What a call is refused with.
 */
import { HoldfastError } from "../../src/log/errors.ts";

/** The HoldfastError that `run` throws. Fails where it throws nothing, or something else. */
export function refusalOf(run: () => unknown): HoldfastError {
  try {
    run();
  } catch (error) {
    if (HoldfastError.is(error)) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}
