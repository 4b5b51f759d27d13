// The part of ffi-napi's internals that call.ts stands on: the packages come without types for it.
declare module 'ffi-napi/lib/bindings.js' {
  const bindings: { ffi_call(cif: Buffer, functionPointer: Buffer, result: Buffer, argumentPointers: Buffer): void };
  export = bindings;
}

declare module 'ffi-napi' {
  const ffi: {
    DynamicLibrary: new (path: string | null, mode?: number) => { get(symbol: string): Buffer };
    CIF(returnType: unknown, argumentTypes: readonly unknown[]): Buffer;
  };
  export = ffi;
}

declare module 'ref-napi' {
  const ref: {
    types: { long: unknown };
    address(buffer: Uint8Array): number;
    reinterpret(buffer: Buffer, size: number, offset?: number): Buffer;
    readPointer(buffer: Buffer, offset: number, size: number): Buffer;
    writePointer(buffer: Buffer, offset: number, pointer: Buffer): void;
  };
  export = ref;
}
