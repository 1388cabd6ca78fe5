using System.Runtime.InteropServices;
using Gauntlet.Linux;
using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.State;
using Microsoft.Win32.SafeHandles;

namespace Gauntlet.Vmm.Accel.Kvm;

/// <summary>PIC, IOAPIC, LAPICs and, when asked for, the PIT inside KVM (Documentation/virt/kvm/api.rst, KVM_CREATE_IRQCHIP, KVM_CREATE_PIT2).</summary>
internal sealed unsafe class KvmFullIrqChip : KvmIrqChip
{
    private const int LineCount = 24;
    private static readonly KvmIrqChipId[] Chips = [KvmIrqChipId.PicMaster, KvmIrqChipId.PicSlave, KvmIrqChipId.IoApic];

    /// <summary>The virtual machine, kept for the lines without a reference count at each change of level; -1 when given back.</summary>
    private int _descriptor;
    private readonly Line[] _lines = new Line[LineCount];

    /// <summary>The controllers as KVM made them, to be put back at a reset.</summary>
    private readonly KvmIrqChipState[] _initialChips = new KvmIrqChipState[Chips.Length];
    private readonly KvmPitState _initialPit;

    /// <param name="routing">Where lines lead.</param>
    public KvmFullIrqChip(SafeFileHandle vm, KvmOptions options, KvmGsiRouting routing)
        : base(vm)
    {
        HasPit = options.Pit;
        Call(KvmRequest.CreateIrqChip, null, "make the interrupt controllers");
        routing.SetLines();
        if (options.Pit)
        {
            // With the speaker's port inside KVM too, the channel 2 gate and its read-back at port 0x61 see the PIT that they belong to.
            var config = new KvmPitConfig { Flags = KvmPitConfig.SpeakerDummy };
            Call(KvmRequest.CreatePit2, &config, "make the PIT");
            var reinject = new KvmReinjectControl { PitReinject = options.PitReinject ? (byte)1 : (byte)0 };
            Call(KvmRequest.ReinjectControl, &reinject, "set what the PIT does with lost ticks");
            fixed (KvmPitState* pit = &_initialPit)
                Call(KvmRequest.GetPit2, pit, "read the PIT");
        }

        for (var i = 0; i < Chips.Length; i++)
        {
            _initialChips[i].ChipId = Chips[i];
            fixed (KvmIrqChipState* chip = &_initialChips[i])
                Call(KvmRequest.GetIrqChip, chip, "read an interrupt controller");
        }

        for (var gsi = 0; gsi < LineCount; gsi++)
            _lines[gsi] = new Line(this, (uint)gsi);
        var held = false;
        vm.DangerousAddRef(ref held);
        _descriptor = (int)vm.DangerousGetHandle();
    }

    public override ISplitIrqChip? Split => null;

    public override bool HasPit { get; }

    public override IIrqLine GetLine(int gsi)
    {
        return (uint)gsi < LineCount ? _lines[gsi] : throw new ArgumentOutOfRangeException(nameof(gsi));
    }

    public override void Reset()
    {
        // Lines first: KVM keeps their levels apart from the chips' registers, and a high one would be latched again.
        foreach (var line in _lines)
            line.Set(false);
        for (var i = 0; i < Chips.Length; i++)
        {
            fixed (KvmIrqChipState* chip = &_initialChips[i])
                Call(KvmRequest.SetIrqChip, chip, "reset an interrupt controller");
        }

        if (HasPit)
        {
            fixed (KvmPitState* pit = &_initialPit)
                Call(KvmRequest.SetPit2, pit, "reset the PIT");
        }
    }

    public override int StateVersion => 1;

    public override void Save(StateWriter writer)
    {
        foreach (var line in _lines)
            writer.Bool(line.Level);
        foreach (var id in Chips)
        {
            var chip = new KvmIrqChipState { ChipId = id };
            Call(KvmRequest.GetIrqChip, &chip, "read an interrupt controller");
            writer.Bytes(new ReadOnlySpan<byte>(&chip, sizeof(KvmIrqChipState)));
        }
        writer.Bool(HasPit);
        if (HasPit)
        {
            KvmPitState pit;
            Call(KvmRequest.GetPit2, &pit, "read the PIT");
            writer.Bytes(new ReadOnlySpan<byte>(&pit, sizeof(KvmPitState)));
        }
        SaveClock(writer);
    }

    public override void Load(ref StateReader reader)
    {
        // Lines first, as in a reset.
        foreach (var line in _lines)
            line.Set(reader.Bool());
        foreach (var id in Chips)
        {
            var chip = Read<KvmIrqChipState>(ref reader);
            chip.ChipId = id;
            Call(KvmRequest.SetIrqChip, &chip, "set an interrupt controller");
        }
        if (reader.Bool() != HasPit)
            throw new StateFormatException(HasPit ? "a snapshot of a machine without a PIT" : "a snapshot of a machine with a PIT, and this one has none");
        if (HasPit)
        {
            var pit = Read<KvmPitState>(ref reader);
            Call(KvmRequest.SetPit2, &pit, "set the PIT");
        }
        LoadClock(ref reader);
    }

    /// <summary>Lines lead nowhere from here on.</summary>
    public override void Dispose()
    {
        if (Interlocked.Exchange(ref _descriptor, -1) >= 0)
            Vm.DangerousRelease();
    }

    private static T Read<T>(ref StateReader reader) where T : unmanaged
    {
        var bytes = reader.Bytes(sizeof(T));
        return bytes.Length == sizeof(T)
            ? MemoryMarshal.Read<T>(bytes)
            : throw new StateFormatException($"{bytes.Length} bytes of an interrupt controller in KVM, where {sizeof(T)} were expected");
    }

    /// <summary>One input of the controllers.</summary>
    private sealed class Line(KvmFullIrqChip chip, uint gsi) : IIrqLine
    {
        public bool Level { get; private set; }

        public void Set(bool level)
        {
            if (Level == level)
                return;
            Level = level;
            var wire = new KvmIrqLevel { Irq = gsi, Level = level ? 1u : 0u };
            if (Libc.ioctl(chip._descriptor, KvmRequest.IrqLine, (nint)(&wire)) >= 0)
                return;
            Marshal.SetLastPInvokeError(Marshal.GetLastSystemError());
            chip.LastRefusal = $"interrupt line {gsi}: {KvmSystem.ErrorText()}";
        }
    }
}
