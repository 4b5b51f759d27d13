/** Replaced by the bundler with the short hash of the commit. */
declare const TSDOCKER_COMMIT: string | undefined;

export const buildCommit = typeof TSDOCKER_COMMIT === 'string' ? TSDOCKER_COMMIT : 'source';
