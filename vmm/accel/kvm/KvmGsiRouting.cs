using Gauntlet.Linux;
using Microsoft.Win32.SafeHandles;

namespace Gauntlet.Vmm.Accel.Kvm;

/// <summary>
/// What KVM does when a global system interrupt is raised: the pins of its controllers that the PC's lines lead to, and messages for numbers above them
/// (Documentation/virt/kvm/api.rst, KVM_SET_GSI_ROUTING, which takes the whole table each time). Not for several threads at once.
/// </summary>
internal sealed unsafe class KvmGsiRouting(SafeFileHandle vm, int capacity)
{
    private const int LineCount = 24, PicLineCount = 16;

    // Objects, whose list needs no compiling at start.
    private readonly List<Route> _routes = [];
    private readonly SortedSet<uint> _free = [];
    private uint _next = LineCount;

    /// <summary>As a PC is wired: each line to the PIC and to the IOAPIC's pin of the same number, but the timer to pin 2, where the PIC's cascade would be.</summary>
    /// <exception cref="AcceleratorException">KVM refuses.</exception>
    public void SetLines()
    {
        for (uint gsi = 0; gsi < LineCount; gsi++)
        {
            if (gsi == 2)
                continue;
            if (gsi < PicLineCount)
                _routes.Add(ToPin(gsi, gsi < 8 ? KvmIrqChipId.PicMaster : KvmIrqChipId.PicSlave, gsi & 7));
            _routes.Add(ToPin(gsi, KvmIrqChipId.IoApic, gsi == 0 ? 2 : gsi));
        }
        if (!TrySetTable())
            throw new AcceleratorException($"KVM cannot route the interrupt lines: {KvmSystem.ErrorText()}; try -accel kvm,kernel-irqchip=off, or -accel tcg");
    }

    /// <summary>A number for a message; null when all are taken.</summary>
    public uint? TakeNumber()
    {
        if (_free.Count > 0)
        {
            var number = _free.Min;
            _free.Remove(number);
            return number;
        }
        return _next < capacity ? _next++ : null;
    }

    /// <summary>Gives a number back; it leads nowhere.</summary>
    public void Free(uint number)
    {
        _ = TryClear(number);
        _free.Add(number);
    }

    /// <summary>Has a number lead nowhere; false when KVM does not take that.</summary>
    public bool TryClear(uint number) => _routes.RemoveAll(route => route.Entry.Gsi == number) == 0 || TrySetTable();

    /// <summary>Has a number send a message; false when KVM does not take it, and the number leads where it did before.</summary>
    public bool TrySetMessage(uint number, ulong address, uint data)
    {
        var message = new Route(new KvmIrqRoutingEntry
        {
            Gsi = number,
            Type = KvmIrqRoutingEntry.TypeMsi,
            MsiAddressLo = (uint)address,
            MsiAddressHi = (uint)(address >> 32),
            MsiData = data,
        });
        var index = _routes.FindIndex(route => route.Entry.Gsi == number);
        if (index < 0)
        {
            if (_routes.Count == capacity)
                return false;
            _routes.Add(message);
            if (TrySetTable())
                return true;
            _routes.RemoveAt(_routes.Count - 1);
            return false;
        }
        var before = _routes[index];
        _routes[index] = message;
        if (TrySetTable())
            return true;
        _routes[index] = before;
        return false;
    }

    private sealed record Route(KvmIrqRoutingEntry Entry);

    private static Route ToPin(uint gsi, KvmIrqChipId chip, uint pin)
        => new(new KvmIrqRoutingEntry { Gsi = gsi, Type = KvmIrqRoutingEntry.TypeIrqChip, IrqChip = chip, Pin = pin });

    private bool TrySetTable()
    {
        const int headerBytes = KvmRequest.RoutingHeaderBytes;
        var table = new byte[headerBytes + _routes.Count * sizeof(KvmIrqRoutingEntry)];
        fixed (byte* p = table)
        {
            *(uint*)p = (uint)_routes.Count;
            var entry = (KvmIrqRoutingEntry*)(p + headerBytes);
            foreach (var route in _routes)
                *entry++ = route.Entry;
            return Libc.ioctl(vm, KvmRequest.SetGsiRouting, p) >= 0;
        }
    }
}
