// Loads the FFI itself: the compiled halves of ref-napi (memory by address) and ffi-napi (calls, by libffi). Their JavaScript is not used.
// A worker thread that ends after it loaded ffi.node takes the whole process down (SIGSEGV) unless the main thread has loaded it before:
// whatever starts worker threads that use native bindings imports this module first, on the main thread.
import { createRequire } from 'node:module';
import { binaryDirectory } from './binaries.ts';

/** Of ref-napi. A pointer is a Buffer that lies at its address. */
interface Memory {
  readonly instance: unknown;
  /** Exact below 2^53, which addresses of user space are. */
  address(buffer: Uint8Array): number;
  /** `size` bytes at the address that stands in `buffer` at `offset`; they are not copied. */
  readPointer(buffer: Uint8Array, offset: number, size: number): Buffer;
  /** The NUL-terminated text that begins at `buffer`. */
  readCString(buffer: Uint8Array, offset: number): string;
}

/** Of ffi-napi: libffi's functions and values, under its names. */
interface Calls {
  ffi_call(callInterface: Buffer, pointer: Buffer, result: Buffer, argumentPointers: Buffer): void;
  ffi_prep_cif(callInterface: Buffer, count: number, result: Buffer, argumentTypes: Buffer, abi: number): number;
  readonly FFI_OK: number;
  readonly FFI_DEFAULT_ABI: number;
  readonly FFI_CIF_SIZE: number;
  readonly FFI_TYPES: { readonly int64: Buffer };
  readonly RTLD_LAZY: number;
  readonly StaticFunctions: { readonly dlopen: Buffer; readonly dlsym: Buffer; readonly dlerror: Buffer };
}

interface CallsModule {
  initializeBindings(memory: unknown): Calls;
}

export interface Library {
  /** A function of it. Throws the loader's message when it has none of that name. */
  get(symbol: string): Buffer;
}

const require = createRequire(import.meta.url);
const directory = binaryDirectory();
const POINTER_BYTES = 8;

export const memory: Memory = require(`${directory}/ref.node`);
const calls = (require(`${directory}/ffi.node`) as CallsModule).initializeBindings(memory.instance);

/** Calls C: the call interface of `longInterface`, the function, memory for its result (8 bytes), and the addresses of its arguments. */
export const ffiCall = calls.ffi_call;

/** libffi keeps pointers into these. */
const keptTypes: Buffer[] = [];
/** What a call knows by address only: until it is over, these cannot be collected. */
const pinned: Uint8Array[] = [];

/** How functions with `count` integers or pointers as arguments are called, which return one: all of them as 64 bits. */
export function longInterface(count: number): Buffer {
  const types = Buffer.alloc(count * POINTER_BYTES);
  const long = calls.FFI_TYPES.int64;
  for (let i = 0; i < count; i++) types.writeBigUInt64LE(BigInt(memory.address(long)), i * POINTER_BYTES);
  keptTypes.push(types);
  const made = Buffer.alloc(calls.FFI_CIF_SIZE);
  const status = calls.ffi_prep_cif(made, count, long, types, calls.FFI_DEFAULT_ABI);
  if (status !== calls.FFI_OK) throw new Error(`ffi_prep_cif for ${count} arguments: status ${status}`);
  return made;
}

/** Opens a shared library; null is what the process itself is linked with (libc). Throws the loader's message when it is missing. */
export function openLibrary(name: string | null): Library {
  const { dlopen, dlsym } = calls.StaticFunctions;
  const handle = callPlain(dlopen, name === null ? 0n : Buffer.from(`${name}\0`), BigInt(calls.RTLD_LAZY));
  if (handle.readBigUInt64LE() === 0n) throw new Error(`dlopen: ${loaderMessage()}`);
  return {
    get(symbol) {
      const found = callPlain(dlsym, handle.readBigUInt64LE(), Buffer.from(`${symbol}\0`));
      if (found.readBigUInt64LE() === 0n) throw new Error(`dlsym: ${loaderMessage()}`);
      return memory.readPointer(found, 0, 1);
    },
  };
}

function loaderMessage(): string {
  const text = callPlain(calls.StaticFunctions.dlerror);
  return text.readBigUInt64LE() === 0n ? 'no reason given' : memory.readCString(memory.readPointer(text, 0, 1), 0);
}

/** The slow way of call.ts, for the few calls that it stands on. A Buffer is passed as its address. */
function callPlain(pointer: Buffer, ...args: (bigint | Buffer)[]): Buffer {
  const slots = Buffer.alloc(args.length * POINTER_BYTES);
  const pointers = Buffer.alloc(args.length * POINTER_BYTES);
  pinned.push(slots);
  args.forEach((arg, i) => {
    if (typeof arg !== 'bigint') pinned.push(arg);
    slots.writeBigUInt64LE(typeof arg === 'bigint' ? arg : BigInt(memory.address(arg)), i * POINTER_BYTES);
    pointers.writeBigUInt64LE(BigInt(memory.address(slots) + i * POINTER_BYTES), i * POINTER_BYTES);
  });
  const result = Buffer.alloc(POINTER_BYTES);
  calls.ffi_call(longInterface(args.length), pointer, result, pointers);
  pinned.length = 0;
  return result;
}
