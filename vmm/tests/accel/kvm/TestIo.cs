using System.Collections.Concurrent;
using Gauntlet.Vmm.Accel;

namespace Gauntlet.Vmm.Tests.Accel.Kvm;

/// <summary>An access that reached the bus.</summary>
public readonly record struct Access(string Kind, ulong Address, int Size, ulong Value);

/// <summary>A bus that notes every access, answers reads as a test says, and ends the guest when it writes to <see cref="ExitPort"/>.</summary>
public sealed class TestIo : IVcpuIo
{
    public const ushort ExitPort = 0xf4;

    private readonly ConcurrentQueue<Access> _accesses = new();

    /// <summary>In order, writes to the exit port left out.</summary>
    public IReadOnlyCollection<Access> Accesses => _accesses;

    public Func<ushort, int, uint> OnReadPort { get; set; } = (_, _) => uint.MaxValue;

    public Func<ulong, int, ulong> OnReadMmio { get; set; } = (_, _) => ulong.MaxValue;

    /// <summary>After the access has been noted.</summary>
    public Action<Access> OnAccess { get; set; } = _ => { };

    /// <summary>Called on the vCPU's thread when the guest ends itself, with the code that it wrote.</summary>
    public Action<uint> OnExit { get; set; } = _ => { };

    public uint ReadPort(ushort port, int size)
    {
        var value = OnReadPort(port, size);
        Note(new Access("in", port, size, value));
        return value;
    }

    public void WritePort(ushort port, int size, uint value)
    {
        if (port == ExitPort)
            OnExit(value);
        else
            Note(new Access("out", port, size, value));
    }

    public ulong ReadMmio(ulong address, int size)
    {
        var value = OnReadMmio(address, size);
        Note(new Access("read", address, size, value));
        return value;
    }

    public void WriteMmio(ulong address, int size, ulong value) => Note(new Access("write", address, size, value));

    private void Note(Access access)
    {
        _accesses.Enqueue(access);
        OnAccess(access);
    }
}
