// Who writes a log while it is read, as far as a reader has to know: the client of a container's monitor is one.

/** The end of the log: the newest file, and the bytes of whole records in it. */
export interface LogPosition {
  readonly seq: number;
  readonly size: number;
}

/** Keeps log files from the given one on from being deleted by rotation; the container waits rather than lose them. */
export interface LogHold {
  moveTo(seq: number): void;
  release(): void;
}

export interface LogWriter {
  /** The lowest file that is held; Infinity when none is. */
  readonly heldSeq: number;
  /** Nothing is appended any more, or is about to be. */
  readonly hasEnded: boolean;
  /** Calls back with the position of now, and after the log has grown, with the newest only. Returns what ends the subscription. */
  onLog(callback: (position: LogPosition) => void): () => void;
  /** Calls back at the end, while log files can still be opened. Returns what ends the subscription. */
  onEnd(callback: () => void): () => void;
  /** Any number of holds; the lowest counts. All end with the writer. */
  holdLog(seq: number): LogHold;
}
