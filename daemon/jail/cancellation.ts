// How the main thread stops a job: by asking. Worker.terminate() would end the whole process now and then: when it comes while the thread
// is inside of a native call, the call cannot throw in JavaScript any more, and aborts (a C++ exception that nobody catches).

/** Memory that both threads see: not 0 while the job is to end. */
export type CancelFlag = SharedArrayBuffer;

let flag = new Int32Array(new SharedArrayBuffer(4));
let onLook = (): void => undefined;

export function newCancelFlag(): CancelFlag {
  return new SharedArrayBuffer(4);
}

/** Sets or clears it, on the main thread. */
export function setCancelFlag(shared: CancelFlag, isSet: boolean): void {
  Atomics.store(new Int32Array(shared), 0, isSet ? 1 : 0);
}

/** In the worker, once: what throwIfCancelled looks at, and what else it does. */
export function watchCancelFlag(shared: CancelFlag, look: () => void): void {
  flag = new Int32Array(shared);
  onLook = look;
}

/** For loops that go on for as long as a stranger's files do: they also let others have their turn here. */
export function throwIfCancelled(): void {
  onLook();
  if (Atomics.load(flag, 0) !== 0) throw cancelled();
}

export function cancelled(): Error {
  return new Error('cancelled');
}
