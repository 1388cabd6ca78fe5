using Gauntlet.Linux;

namespace Gauntlet.Vmm.Accel.Tcg.Backends.X64;

/// <summary>
/// Memory for generated code, mapped twice: what is written is never executable, what is executed never writable. One vCPU's; filled from the
/// start to the end, then emptied as a whole.
/// </summary>
public sealed unsafe class CodeCache : IDisposable
{
    private readonly nuint _size;
    private byte* _writable, _executable;

    /// <param name="size">In bytes, a multiple of the page size. Takes host memory only where code was written.</param>
    /// <exception cref="LinuxException">The host gives no such memory.</exception>
    public CodeCache(int size)
    {
        _size = (nuint)size;
        var descriptor = Libc.memfd_create("gvmm-code", Libc.MFD_CLOEXEC);
        if (descriptor < 0)
            throw LinuxException.ForErrno("creating memory for generated code");
        try
        {
            if (Libc.ftruncate(descriptor, size) != 0)
                throw LinuxException.ForErrno("sizing memory for generated code");
            _writable = Map(descriptor, Libc.PROT_READ | Libc.PROT_WRITE);
            _executable = Map(descriptor, Libc.PROT_READ | Libc.PROT_EXEC);
        }
        catch
        {
            Dispose();
            throw;
        }
        finally
        {
            _ = Libc.close(descriptor);
        }
        Next = _writable;
    }

    /// <summary>Where code is written next.</summary>
    public byte* Next { get; set; }

    public byte* Start => _writable;

    /// <summary>In bytes.</summary>
    public long Free => _writable + _size - Next;

    /// <summary>Where the host executes what is written at this address.</summary>
    public byte* ExecutableOf(byte* written) => _executable + (written - _writable);

    public void Dispose()
    {
        if (_writable != null)
            _ = Libc.munmap((nint)_writable, _size);
        if (_executable != null)
            _ = Libc.munmap((nint)_executable, _size);
        _writable = _executable = null;
    }

    private byte* Map(int descriptor, int protection)
    {
        var address = Libc.mmap(0, _size, protection, Libc.MAP_SHARED, descriptor, 0);
        return address != -1 ? (byte*)address : throw LinuxException.ForErrno("mapping memory for generated code");
    }
}
