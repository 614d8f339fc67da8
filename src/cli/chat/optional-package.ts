/**
 * @module
 * Packages that only some commands need, and that are installed by those who use them.
 */
import { HoldfastError, messageOf } from "../../log/errors.ts";

/**
 * What `load` imports.
 *
 * @param name the package that it needs; `what` needs it, for the message.
 * @throws UNSUPPORTED where the package is not installed, with the command that installs it.
 */
export async function loadPackage<T>(name: string, what: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (error) {
    if (!isMissing(error, name)) throw error;
    throw new HoldfastError(
      "UNSUPPORTED",
      `${what} needs the package ${name}, which is not installed; install it: npm install ${name}`,
      { cause: error },
    );
  }
}

/** Whether an import failed because this very package can't be found, and not one that it needs itself. */
function isMissing(error: unknown, name: string): boolean {
  const code: unknown = error instanceof Error && "code" in error ? error.code : undefined;
  return code === "ERR_MODULE_NOT_FOUND" && messageOf(error).includes(`'${name}'`);
}
