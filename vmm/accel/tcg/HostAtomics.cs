using System.Runtime.InteropServices;
using Gauntlet.Linux;

namespace Gauntlet.Vmm.Accel.Tcg;

/// <summary>
/// The host's 16-byte compare and exchange, which .NET does not offer: 22 bytes of machine code in a page of their own on an x86-64 host;
/// elsewhere a lock, atomic against the guest's other 16-byte exchanges only.
/// </summary>
public sealed unsafe class HostAtomics : IDisposable
{
    // rdi = address, rsi = expected and result (16 bytes in memory), rdx = value (in memory).
    private static ReadOnlySpan<byte> Code =>
    [
        0x53,                               // push rbx
        0x49, 0x89, 0xd0,                   // mov r8, rdx
        0x48, 0x8b, 0x06,                   // mov rax, [rsi]
        0x48, 0x8b, 0x56, 0x08,             // mov rdx, [rsi+8]
        0x49, 0x8b, 0x18,                   // mov rbx, [r8]
        0x49, 0x8b, 0x48, 0x08,             // mov rcx, [r8+8]
        0xf0, 0x48, 0x0f, 0xc7, 0x0f,       // lock cmpxchg16b [rdi]
        0x48, 0x89, 0x06,                   // mov [rsi], rax
        0x48, 0x89, 0x56, 0x08,             // mov [rsi+8], rdx
        0x5b,                               // pop rbx
        0xc3,                               // ret
    ];

    private readonly Lock _lock = new();
    private nint _page;

    public HostAtomics()
    {
        if (RuntimeInformation.ProcessArchitecture != Architecture.X64)
            return;
        _page = Libc.mmap(0, 4096, Libc.PROT_READ | Libc.PROT_WRITE, Libc.MAP_PRIVATE | Libc.MAP_ANONYMOUS, -1, 0);
        if (_page == -1)
            throw LinuxException.ForErrno("mapping a page for generated code");
        Code.CopyTo(new Span<byte>((void*)_page, Code.Length));
        if (Libc.mprotect(_page, 4096, Libc.PROT_READ | Libc.PROT_EXEC) != 0)
            throw LinuxException.ForErrno("making generated code executable");
    }

    /// <summary>Stores <paramref name="value"/> when memory holds <paramref name="expected"/>; returns what it held.</summary>
    /// <param name="host">A multiple of 16.</param>
    public UInt128 CompareExchange16(byte* host, UInt128 expected, UInt128 value)
    {
        if (_page != 0)
        {
            ((delegate* unmanaged<void*, void*, void*, void>)_page)(host, &expected, &value);
            return expected;
        }
        lock (_lock)
        {
            var old = *(UInt128*)host;
            if (old == expected)
                *(UInt128*)host = value;
            return old;
        }
    }

    public void Dispose()
    {
        if (_page is 0 or -1)
            return;
        _ = Libc.munmap(_page, 4096);
        _page = 0;
    }
}
