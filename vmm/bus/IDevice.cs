namespace Gauntlet.Vmm.Bus;

/// <summary>
/// A device model. A device never knows which accelerator runs the guest, nor at which address it sits: its facets
/// (<see cref="IPortDevice"/>, <see cref="IMmioDevice"/>, <see cref="IResettable"/>, <see cref="ISaveable"/>) see a region
/// number and an offset.
/// </summary>
/// <remarks>
/// Keep this interface small: a device implements only the facets that its specification gives it, the machine asks for them with
/// <c>is</c>. Rules that hold for every device, and that the tests drive every device to break:
/// no guest access throws; none allocates without bound; none reads the host's clock (<see cref="IClock"/> only) or touches guest
/// memory but through <see cref="Memory.IGuestMemory"/>; no static mutable state. All facets are called with the machine's
/// device lock held, so that a device needs no locks of its own.
/// </remarks>
public interface IDevice
{
    /// <summary>The name that users know it by, as on QEMU's command line or device tree: <c>isa-serial</c>, <c>i8259</c>.</summary>
    string Name { get; }

    /// <summary>What a guest can reach, one map for each region number, in order. Same table for fuzzer, tracer and documentation.</summary>
    IReadOnlyList<RegisterMap> Regions { get; }
}

/// <summary>A device with registers in port I/O space.</summary>
public interface IPortDevice : IDevice
{
    /// <summary>Reads <paramref name="size"/> bytes (1, 2 or 4) at an offset inside the region; bits that nothing drives read as 1.</summary>
    uint ReadPort(int region, uint offset, int size);

    /// <summary>Writes the low <paramref name="size"/> bytes (1, 2 or 4) of the value.</summary>
    void WritePort(int region, uint offset, int size, uint value);
}

/// <summary>A device with registers in memory space.</summary>
public interface IMmioDevice : IDevice
{
    /// <summary>Reads <paramref name="size"/> bytes (1, 2, 4 or 8) at an offset inside the region.</summary>
    ulong ReadMmio(int region, ulong offset, int size);

    /// <summary>Writes the low <paramref name="size"/> bytes (1, 2, 4 or 8) of the value.</summary>
    void WriteMmio(int region, ulong offset, int size, ulong value);
}

/// <summary>A device with state that a machine reset puts back.</summary>
public interface IResettable
{
    /// <summary>To the state that the data sheet gives for RESET. Called once before the first vCPU runs, and at each machine reset.</summary>
    void Reset();
}

/// <summary>A device that keeps requests back which the host could not carry out, until the machine goes on.</summary>
public interface IResumable
{
    /// <summary>Tries again what was kept back. Before the first vCPU runs on.</summary>
    void OnResume();
}

/// <summary>A device, or another part of a machine, whose state goes into a snapshot: all of it, so that a restored machine goes on as if nothing had happened.</summary>
public interface ISaveable
{
    /// <summary>Bumped when the fields change; a reader refuses versions it does not know.</summary>
    int StateVersion { get; }

    /// <summary>Writes every field, in a fixed order.</summary>
    void Save(State.StateWriter writer);

    /// <summary>Reads what <see cref="Save"/> wrote. Hostile bytes end in <see cref="State.StateFormatException"/>, the device then needs a reset.</summary>
    void Load(ref State.StateReader reader);
}
