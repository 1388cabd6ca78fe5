using System.Text.Json;
using Gauntlet.Vmm.Tracing;

namespace Gauntlet.Vmm.Program.Options;

// Classes, not structs: the framework's collections are compiled ahead for those only, and a start is counted in milliseconds.

/// <summary>One <c>-accel</c>, or one name of <c>-machine accel=</c>.</summary>
public sealed record AccelOption(string Name, IReadOnlyDictionary<string, string> Properties);

/// <summary>One <c>-device</c>.</summary>
public sealed record DeviceOption(string Driver, IReadOnlyDictionary<string, string> Properties);

/// <summary>One <c>-fw_cfg</c>: a name, and either a file or the text itself.</summary>
public sealed record FwCfgOption(string Name, string? File, string? Text);

/// <summary>One monitor.</summary>
/// <param name="Chardev">The id of its chardev.</param>
/// <param name="IsQmp">Speaks QMP; else for a person.</param>
public sealed record MonitorOption(string Chardev, bool IsQmp);

/// <summary>What to print instead of running.</summary>
public enum Listing
{
    None,
    Help,
    Version,
    Accelerators,
    Machines,
    Devices,
    Cpus,
}

/// <summary>A parsed command line.</summary>
public sealed class GvmmOptions
{
    public const string DefaultMachine = "pc";

    public Listing Listing { get; set; }

    /// <summary><c>pc</c>, <c>q35</c>, <c>microvm</c> or <c>none</c>.</summary>
    public string Machine { get; set; } = DefaultMachine;

    /// <summary>Most wanted first; empty: KVM, then TCG.</summary>
    public List<AccelOption> Accelerators { get; } = [];

    public string Cpu { get; set; } = "qemu64";

    /// <summary>Whatever was asked for.</summary>
    public void SetAccelerator(string name)
    {
        Accelerators.Clear();
        Accelerators.Add(new AccelOption(name, new Dictionary<string, string>()));
    }

    public int CpuCount { get; set; } = 1;

    /// <summary>In bytes.</summary>
    public ulong RamBytes { get; set; } = 128UL << 20;

    public string? Kernel { get; set; }

    /// <summary>Firmware to start with when there is no kernel; null: the default one.</summary>
    public string? Bios { get; set; }

    /// <summary><c>-machine pit=off</c>: a machine without the 8254 and port 0x61.</summary>
    public bool HasPit { get; set; } = true;

    /// <summary><c>-machine hpet=on</c>: a machine with IA-PC event timers.</summary>
    public bool HasHpet { get; set; }

    /// <summary><c>-machine microvm,acpi=off</c>, <c>pic=</c>, <c>rtc=</c> and <c>isa-serial=</c>: what a microvm can do without.</summary>
    public bool HasAcpi { get; set; } = true;

    public bool HasPic { get; set; } = true;

    public bool HasRtc { get; set; } = true;

    public bool HasIsaSerial { get; set; } = true;

    public KernelFormat KernelFormat { get; set; }

    public string? Initrd { get; set; }

    public string? Append { get; set; }

    public List<DeviceOption> Devices { get; } = [];

    public List<DriveOption> Drives { get; } = [];

    public List<NetdevOption> Netdevs { get; } = [];

    public List<FrameDumpOption> FrameDumps { get; } = [];

    /// <summary>As <c>blockdev-add</c> takes them; null: none.</summary>
    public List<JsonElement>? Blockdevs { get; set; }

    public List<FwCfgOption> FwCfg { get; } = [];

    public List<ChardevOption> Chardevs { get; } = [];

    /// <summary>COM1 to COM4: the id of each one's chardev; empty: no port.</summary>
    public List<string> Serial { get; } = [];

    public List<MonitorOption> Monitors { get; } = [];

    /// <summary>The id of the chardev that qtest is served on.</summary>
    public string? Qtest { get; set; }

    /// <summary>Events that are told of.</summary>
    public TracePatterns TracePatterns { get; } = new();

    /// <summary>Where they go, in QEMU's binary form; null: as text to standard error.</summary>
    public string? TraceFile { get; set; }

    /// <summary><c>-trace help</c>: the events of this machine, instead of running it.</summary>
    public bool ListsTraceEvents { get; set; }

    /// <summary>The id of the chardev that gdb's protocol is served on.</summary>
    public string? Gdb { get; set; }

    /// <summary>Where what qtest says is written; null or <c>none</c>: nowhere.</summary>
    public string? QtestLog { get; set; }

    /// <summary>QMP first, the machine when <c>x-exit-preconfig</c> says so.</summary>
    public bool Preconfig { get; set; }

    public Guid Uuid { get; set; }

    public SmbiosOptions Smbios { get; } = new();

    /// <summary>Null: neither nodes nor memory backends were given.</summary>
    public NumaOptions? Numa { get; set; }

    /// <summary>What <c>-boot</c> tells firmware; null: not given.</summary>
    public BootOption? Boot { get; set; }

    public bool NoDefaults { get; set; }

    public bool NoGraphic { get; set; }

    public bool NoReboot { get; set; }

    public bool NoShutdown { get; set; }

    /// <summary>What follows a panic that the guest tells of.</summary>
    public PanicAction PanicAction { get; set; } = PanicAction.Shutdown;

    public bool StartPaused { get; set; }

    /// <summary>Virtual time by instructions, 2 to this power nanoseconds each; null: by the host's clock.</summary>
    public int? InstructionShift { get; set; }

    /// <summary>Give up what a running machine does not need of the kernel.</summary>
    public bool Sandbox { get; set; }

    /// <summary>Opened before the sandbox is entered, for snapshots to be written to; null: none.</summary>
    public string? SandboxSnapshot { get; set; }

    /// <summary>The snapshot file to start from (<c>-incoming file:PATH</c>, <c>-loadvm PATH</c>); null: from a reset.</summary>
    public string? Snapshot { get; set; }

    public string? Name { get; set; }

    public string? PidFile { get; set; }

    /// <summary>Time of day at the start; null: the host's.</summary>
    public DateTime? RtcBase { get; set; }

    /// <summary>RTC counts local time.</summary>
    public bool RtcLocalTime { get; set; }
}

/// <summary>What follows a panic that the guest tells of (pvpanic).</summary>
public enum PanicAction
{
    Shutdown,
    Pause,
    None,
}

/// <summary>What <c>-boot</c> tells firmware.</summary>
/// <param name="Menu">Whether it shows a menu; null: as it likes.</param>
/// <param name="SplashMilliseconds">How long.</param>
/// <param name="RebootTimeoutMilliseconds">Until it tries again when nothing boots; -1: never.</param>
public sealed record BootOption(string? Order, bool? Menu, int? SplashMilliseconds, int? RebootTimeoutMilliseconds);

/// <summary>How <c>-kernel</c> is to be understood.</summary>
public enum KernelFormat
{
    /// <summary>Multiboot where there is a header, else Linux, else PVH where it is ELF, a flat binary where the name ends in <c>.bin</c>.</summary>
    Auto,
    Multiboot,

    /// <summary>ELF with a note of its entry.</summary>
    Pvh,
    Flat,
}
