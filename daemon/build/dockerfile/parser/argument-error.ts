/** What an instruction cannot take, without its line: the parser of the file adds it. */
export class ArgumentError extends Error {}
