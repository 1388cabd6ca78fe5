using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Boot;
using Gauntlet.Vmm.Devices.Serial;

namespace Gauntlet.Vmm.Machines;

/// <summary>What every board for x86 is made of.</summary>
public abstract record X86Config
{
    /// <summary>As after <c>-accel</c>, most wanted first.</summary>
    public required IReadOnlyList<AcceleratorChoice> Accelerators { get; init; }

    /// <summary>1 to 255: an APIC ID of 255 is the broadcast.</summary>
    public int CpuCount { get; init; } = 1;

    public string CpuModel { get; init; } = "qemu64";

    /// <summary>Bytes of RAM, a multiple of 4 KiB, at least 1 MiB.</summary>
    public ulong RamBytes { get; init; } = 128UL << 20;

    /// <summary>COM1 and COM2, as far as there are; at most 2.</summary>
    public IReadOnlyList<ISerialBackend> SerialPorts { get; init; } = [];

    /// <summary>Time of day at the start.</summary>
    public DateTime StartUtc { get; init; }

    /// <summary>An 8254 with port 0x61, as every PC has unless told otherwise.</summary>
    public bool HasPit { get; init; } = true;

    /// <summary>Virtual time by executed instructions, 2 to this power nanoseconds each (<see cref="InstructionClock"/>); null: by the host's clock. One vCPU, TCG.</summary>
    public int? InstructionShift { get; init; }

    /// <summary>The nodes that RAM and CPUs are in; empty: all is equally near.</summary>
    public IReadOnlyList<NumaNode> Nodes { get; init; } = [];

    /// <summary>What SMBIOS tells as the system's.</summary>
    public Guid Uuid { get; init; }

    /// <summary>Fields of SMBIOS structures that were chosen (<see cref="SmbiosContent.Fields"/>).</summary>
    public IReadOnlyDictionary<SmbiosField, string> SmbiosFields { get; init; } = new Dictionary<SmbiosField, string>();

    /// <summary>Strings of SMBIOS type 11.</summary>
    public IReadOnlyList<string> OemStrings { get; init; } = [];

    public bool NoReboot { get; init; }

    public bool NoShutdown { get; init; }

    public PanicResponse PanicResponse { get; init; }
}

/// <summary>What a PC is made of.</summary>
public sealed record PcConfig : X86Config
{
    public PcModel Model { get; init; }

    /// <summary>IA-PC event timers, where the 8254 is the machine's own: they can take its place.</summary>
    public bool HasHpet { get; init; }

    /// <summary>Bytes of firmware ROM below 4 GiB; 0: none.</summary>
    public int FirmwareBytes { get; init; }

    /// <summary>Registers start as after power-on, for firmware to set up; else, for a kernel, as firmware leaves them.</summary>
    public bool IsFirmwareToRun { get => field || FirmwareBytes > 0; init; }

    /// <summary>Firmware is told that there is a serial console only.</summary>
    public bool NoGraphic { get; init; }
}

/// <summary>What a microvm is made of.</summary>
public sealed record MicrovmConfig : X86Config
{
    /// <summary>ACPI tables tell of the machine, and the power button and switching off work; else an MP table and the kernel's command line do.</summary>
    public bool HasAcpi { get; init; } = true;

    /// <summary>An 8259 pair, where the interrupt controllers are the machine's own: else the IOAPIC alone.</summary>
    public bool HasPic { get; init; } = true;

    /// <summary>An MC146818 at ports 0x70 and 0x71.</summary>
    public bool HasRtc { get; init; } = true;
}
