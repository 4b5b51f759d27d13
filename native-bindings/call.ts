// Calls of C functions with at most seven integer or pointer arguments, without marshalling each of them: half a
// microsecond a call. Arguments lie in fixed slots, strings in an arena, both at addresses that never change: V8 does
// not move the memory of a Buffer. The state is per thread, as the module is; nothing here is re-entered, since C never calls back.
import { SystemError } from './errno.ts';
import { ffiCall, type Library, longInterface, memory, openLibrary } from './load.ts';

/** A string becomes a NUL-terminated copy; a Uint8Array is passed as a pointer to its memory, which the function may write to. */
export type NativeArg = number | bigint | string | Uint8Array | null;
export type NativeFunction = (args: readonly NativeArg[]) => number;

const MAX_ARGS = 7;
const ARENA_BYTES = 32 * 1024;
const TWO_32 = 2 ** 32;

const slots = Buffer.alloc(MAX_ARGS * 8);
const slotWords = new Int32Array(slots.buffer, slots.byteOffset, MAX_ARGS * 2);
const result = Buffer.alloc(8);
const resultWords = new Int32Array(result.buffer, result.byteOffset, 2);
const argPointers = Buffer.alloc(MAX_ARGS * 8);
const slotsAddress = memory.address(slots);
for (let i = 0; i < MAX_ARGS; i++) argPointers.writeBigUInt64LE(BigInt(slotsAddress + i * 8), i * 8);
const arena = Buffer.alloc(ARENA_BYTES);
const arenaAddress = memory.address(arena);
/** Keeps what the current call points to from being collected before it returns. */
const pinned: { args: readonly NativeArg[]; strings: Buffer[]; kept: readonly unknown[] } = {
  args: [],
  strings: [],
  kept: [],
};
/** Surplus arguments are harmless in the calling conventions of x86-64 and arm64, so one call interface serves every function. */
const callInterface = longInterface(MAX_ARGS);

/** This thread's `errno`, as memory: reading it is no call that could change it. */
const errnoWord = locateErrno();

function locateErrno(): Int32Array {
  ffiCall(callInterface, openLibrary(null).get('__errno_location'), result, argPointers);
  const bytes = memory.readPointer(result, 0, 4);
  return new Int32Array(bytes.buffer, bytes.byteOffset, 1);
}

/** The error number that the last failing call of this thread left; only meaningful directly after it. */
export function lastErrno(): number {
  return errnoWord[0] as number;
}

/** Makes a symbol of a library callable. The result is the C function's 64-bit return value as a number (exact up to 2^53). */
export function nativeFunction(library: Library, symbol: string): NativeFunction {
  const pointer = library.get(symbol);
  return (args) => {
    let used = 0;
    pinned.args = args;
    if (pinned.strings.length > 0) pinned.strings = [];
    if (args.length > MAX_ARGS) throw new RangeError(`${symbol}: more than ${MAX_ARGS} arguments`);
    for (let i = 0; i < MAX_ARGS; i++) {
      const arg = i < args.length ? (args[i] as NativeArg) : 0;
      let value: number;
      if (typeof arg === 'number') value = arg;
      else if (typeof arg === 'string') {
        if (arg.includes('\0')) throw new SystemError(symbol, 22, {}, 'with a NUL byte in a string');
        const needed = arg.length * 3 + 1;
        if (used + needed <= ARENA_BYTES) {
          const written = arena.write(arg, used);
          arena[used + written] = 0;
          value = arenaAddress + used;
          used += written + 1;
        } else {
          const copy = Buffer.from(`${arg}\0`);
          pinned.strings.push(copy);
          value = memory.address(copy);
        }
      } else if (arg === null) value = 0;
      else if (typeof arg === 'bigint') {
        slots.writeBigInt64LE(BigInt.asIntN(64, arg), i * 8);
        continue;
      } else value = arg.byteLength === 0 ? arenaAddress : memory.address(arg);
      slotWords[i * 2] = value | 0;
      slotWords[i * 2 + 1] = Math.floor(value / TWO_32);
    }
    ffiCall(callInterface, pointer, result, argPointers);
    return (resultWords[1] as number) * TWO_32 + ((resultWords[0] as number) >>> 0);
  };
}

/** The same for a function that returns a C int: the upper half of the register means nothing then. */
export function nativeIntFunction(library: Library, symbol: string): NativeFunction {
  const call = nativeFunction(library, symbol);
  return (args) => {
    call(args);
    return resultWords[0] as number;
  };
}

/** The address of a buffer, for structs that hold pointers. Name the buffer in `keepAlive` behind the call. */
export function addressOf(buffer: Uint8Array): bigint {
  return BigInt(memory.address(buffer));
}

/** Called after a native call with buffers that it knew by address only: until then they cannot be collected. */
export function keepAlive(...buffers: readonly unknown[]): void {
  pinned.kept = buffers;
}
