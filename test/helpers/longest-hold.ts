/** Milliseconds of CPU time that this thread has taken. Other processes do not count. */
const cpuMs = (): number => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
};

/**
 * The longest that work held the thread without letting others go, in milliseconds of CPU time, so
 * that what else runs on the machine does not count.
 */
export async function longestHold(work: () => Promise<unknown>): Promise<number> {
  let longest = 0;
  let last = cpuMs();
  const note = () => {
    longest = Math.max(longest, cpuMs() - last);
    last = cpuMs();
  };
  const clock = setInterval(note, 1);
  await work();
  note();
  clearInterval(clock);
  return longest;
}
