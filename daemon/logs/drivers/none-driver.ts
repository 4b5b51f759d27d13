// "none": attached clients read what the container writes, `logs` does not.
import type { ContainerLog, LogDriver } from './log-driver.ts';

/** What attached clients read from: two small files. */
const log: ContainerLog = { limits: { maxBytes: 1024 * 1024, maxFiles: 2 }, warnings: [], details: () => '' };

/** Docker takes whatever is said of a log that is not kept. */
export const noneDriver: LogDriver = { name: 'none', configure: () => log };
