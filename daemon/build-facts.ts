/** Replaced by the bundler: the short hash of the commit, and its time (or SOURCE_DATE_EPOCH's), so that a build can be made again. */
declare const TSDOCKER_COMMIT: string | undefined;
declare const TSDOCKER_BUILD_TIME: string | undefined;

export const buildCommit = typeof TSDOCKER_COMMIT === 'string' ? TSDOCKER_COMMIT : 'source';
/** As docker writes it: `2026-09-15T11:02:57.000000000+00:00`. Empty when the sources run as they are. */
export const buildTime = typeof TSDOCKER_BUILD_TIME === 'string' ? TSDOCKER_BUILD_TIME : '';
