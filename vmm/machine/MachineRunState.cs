using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Machines;

/// <summary>What was asked of a machine and not carried out yet. The values are in snapshot files: never change one.</summary>
[Flags]
public enum MachineWishes : ushort
{
    None = 0,
    Reset = 1,

    /// <summary>The reset was asked for by somebody outside.</summary>
    ResetFromHost = 2,
    PowerOff = 4,
    Pause = 8,
    Suspend = 16,
    Wake = 32,

    /// <summary>The guest has said that it panicked.</summary>
    Panic = 64,

    /// <summary>It said that it sees to that itself.</summary>
    PanicHandled = 128,
}

/// <summary>What a machine was doing, and about to do, when its state was taken.</summary>
/// <param name="TripleFaulted">Index of the vCPU whose triple fault asks for the reset; null: none.</param>
public readonly record struct MachineRunState(bool IsRunning, MachineWishes Wishes = MachineWishes.None, int? TripleFaulted = null)
{
    private const MachineWishes Known = (MachineWishes)255;

    internal void Write(StateWriter writer)
    {
        writer.Bool(IsRunning);
        writer.UInt16((ushort)Wishes);
        writer.Int32(TripleFaulted ?? -1);
    }

    /// <exception cref="StateFormatException">Not what was written.</exception>
    internal static MachineRunState Read(ref StateReader reader, int vcpus)
    {
        var (isRunning, wishes, tripleFaulted) = (reader.Bool(), (MachineWishes)reader.UInt16(), reader.Int32());
        if ((wishes & ~Known) != 0)
            throw new StateFormatException($"wishes 0x{(ushort)wishes:x} of the machine, where only those in 0x{(ushort)Known:x} are known");
        if (tripleFaulted < -1 || tripleFaulted >= vcpus)
            throw new StateFormatException($"a triple fault of vCPU {tripleFaulted}, where there are {vcpus}");
        return new MachineRunState(isRunning, wishes, tripleFaulted < 0 ? null : tripleFaulted);
    }
}
