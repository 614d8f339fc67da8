/**
 * @module
 * `holdfast migrate`: brings a store's schema up to date.
 */
import type { Command } from "commander";
import { withStore } from "../context.ts";
import { examples } from "../help.ts";

export function registerMigrate(program: Command): void {
  const command = program
    .command("migrate")
    .summary("bring a store's schema up to date")
    .description("Makes or updates the tables of a store. Safe to repeat, and beside other processes.");
  examples(command, [
    ["holdfast --store sqlite:./sessions.db migrate", "before a new release goes live"],
  ]).action(async (_options: object, self: Command) => {
    await withStore(self, "create", async ({ output, store }) => {
      const report = await store.migrate();
      if (output.json) {
        output.value(report);
        return;
      }
      for (const step of report.steps) output.line(`- ${step}`);
      const { from, to } = report;
      output.line(
        report.steps.length === 0
          ? `${report.store}: nothing to do, the schema is at version ${to}`
          : `${report.store}: from version ${from} to ${to}`,
      );
    });
  });
}
