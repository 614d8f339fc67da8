/**
 * @module
 * A mutation run only asks whether a test fails, so a failing property need not be shrunk, which can take seconds.
 */
import fc from "fast-check";

fc.configureGlobal({ endOnFailure: true });
