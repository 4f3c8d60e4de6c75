/** How long an interrupted push, or a manifest that has no tag yet, is left alone. */
export const GRACE = '1h';
/** The age at which an unfinished upload is abandoned: the registry's own (configuration.md). */
export const UPLOADS_AGE = '168h';
