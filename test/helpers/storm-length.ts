/**
 * How long a storm rages: as long as CI can bear, or at full length under `npm run test:soak`,
 * which sets `SOAK`.
 */
export function stormLength(lengths: { ci: number; soak: number }): number {
  return process.env["SOAK"] === undefined ? lengths.ci : lengths.soak;
}
