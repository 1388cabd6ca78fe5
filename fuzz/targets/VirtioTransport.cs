using Gauntlet.Fuzz.Diverge;
using Gauntlet.Fuzz.Programs;
using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Devices.Pci;

namespace Gauntlet.Fuzz.Targets;

/// <summary>A register of a transport.</summary>
internal readonly record struct VirtioRegister(ulong Address, int Size)
{
    public Operation Write(ulong value) => Operation.Write(AddressSpace.Mmio, Address, Size, value);

    public Operation Read() => Operation.Read(AddressSpace.Mmio, Address, Size);
}

/// <summary>Where a virtio transport has what every driver writes (VIRTIO 1.2, 4.1.4.3 and 4.2.2).</summary>
internal sealed record VirtioTransport
{
    public required VirtioRegister Status { get; init; }

    public required VirtioRegister FeatureSelect { get; init; }

    public required VirtioRegister Features { get; init; }

    public required VirtioRegister QueueSelect { get; init; }

    public required VirtioRegister QueueSize { get; init; }

    public required VirtioRegister QueueReady { get; init; }

    /// <summary>Low halves of descriptor, driver and device area; the high ones are 4 bytes behind them.</summary>
    public required IReadOnlyList<VirtioRegister> Areas { get; init; }

    public required VirtioRegister Interrupt { get; init; }

    public required ulong Configuration { get; init; }

    /// <summary>The notification of queue 0; of another one it is this far behind.</summary>
    public required VirtioRegister Notify { get; init; }

    /// <summary>0: the queue is what is written.</summary>
    public int NotifyApart { get; init; }

    /// <summary>Of a PCI function, the capability whose window reaches all the others: function and register; null: there is none (4.1.4.9).</summary>
    public (int Function, int Register)? Window { get; init; }

    public static VirtioTransport Pci { get; } = new()
    {
        Status = At(VirtioPrograms.Modern + 0x14, 1),
        FeatureSelect = At(VirtioPrograms.Modern + 8, 4),
        Features = At(VirtioPrograms.Modern + 0xc, 4),
        QueueSelect = At(VirtioPrograms.Modern + 0x16, 2),
        QueueSize = At(VirtioPrograms.Modern + 0x18, 2),
        QueueReady = At(VirtioPrograms.Modern + 0x1c, 2),
        Areas = [At(VirtioPrograms.Modern + 0x20, 4), At(VirtioPrograms.Modern + 0x28, 4), At(VirtioPrograms.Modern + 0x30, 4)],
        Interrupt = At(VirtioPrograms.Modern + 0x1000, 1),
        Configuration = VirtioPrograms.Modern + 0x2000,
        Notify = At(VirtioPrograms.Modern + 0x3000, 2),
        NotifyApart = 4,
    };

    public static VirtioTransport Mmio(ulong address) => new()
    {
        Status = At(address + 0x70, 4),
        FeatureSelect = At(address + 0x24, 4),
        Features = At(address + 0x20, 4),
        QueueSelect = At(address + 0x30, 4),
        QueueSize = At(address + 0x38, 4),
        QueueReady = At(address + 0x44, 4),
        Areas = [At(address + 0x80, 4), At(address + 0x90, 4), At(address + 0xa0, 4)],
        Interrupt = At(address + 0x60, 4),
        Configuration = address + 0x100,
        Notify = At(address + 0x50, 4),
    };

    public Operation Kick(int queue) => (Notify with { Address = Notify.Address + (ulong)(queue * NotifyApart) }).Write((ulong)queue);

    public bool IsKick(in Operation operation, int queue) =>
        operation.Kind == OperationKind.Write && operation.Space == AddressSpace.Mmio && operation.Address == Notify.Address + (ulong)(queue * NotifyApart) && (NotifyApart != 0 || operation.Value == (ulong)queue);

    /// <summary>With the window of the function at a device number of bus 0.</summary>
    public VirtioTransport WithWindowOf(PciFunction config, int device)
    {
        const int FirstCapability = 0x34, TypeAt = 3;
        const byte Vendor = 9, WindowType = 5;
        var at = (int)config.Read(FirstCapability, 1);
        while (at != 0 && !(config.Read(at, 1) == Vendor && config.Read(at + TypeAt, 1) == WindowType))
            at = (int)config.Read(at + 1, 1);
        return at == 0 ? this : this with { Window = (device << 3, at) };
    }

    private static VirtioRegister At(ulong address, int size) => new(address, size);
}
