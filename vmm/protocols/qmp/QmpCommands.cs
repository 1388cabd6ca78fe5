using System.Text.Json;
using Gauntlet.Vmm.Boot;
using Gauntlet.Vmm.Chardevs;
using Gauntlet.Vmm.Devices.Interrupt;
using Gauntlet.Vmm.Machines;
using Gauntlet.Vmm.Storage;

namespace Gauntlet.Vmm.Protocols.Qmp;

/// <summary>A PCI function as monitors show it.</summary>
/// <param name="Read">Configuration space: offset, and 1, 2 or 4 bytes.</param>
public sealed record PciConfigView(int Slot, int Function, Func<int, int, uint> Read);

/// <summary>What the commands of QMP and of the monitor act on.</summary>
public sealed record QmpContext
{
    /// <summary>Null with <c>-machine none</c>.</summary>
    public Machine? Machine { get; init; }

    /// <summary>As after <c>-machine</c>.</summary>
    public string MachineType { get; init; } = "none";

    /// <summary>The machine's interrupt lines, for <c>info irq</c>.</summary>
    public PcInterruptLines? Lines { get; init; }

    /// <summary>The functions on the PCI bus, by slot and function.</summary>
    public Func<IReadOnlyList<PciConfigView>> PciFunctions { get; init; } = static () => [];

    /// <summary>Names that <c>-device</c> takes.</summary>
    public IReadOnlyList<string> DeviceTypes { get; init; } = [];

    public IReadOnlyList<Chardev> Chardevs { get; init; } = [];

    /// <summary>The disks by node.</summary>
    public BlockNodes Blocks { get; init; } = new();

    /// <summary>Plugs devices in and pulls them; null where the machine has no place for any.</summary>
    public IHotPlug? HotPlug { get; set; }

    /// <summary>As after <c>-name</c>.</summary>
    public string? Name { get; init; }

    public Guid Uuid { get; init; }

    /// <summary>The machine's RAM in bytes, as <c>-m</c> gave it.</summary>
    public ulong RamBytes { get => field != 0 ? field : Machine?.Memory.TotalBytes ?? 0; init; }

    /// <summary>Nodes of memory; empty: there is no telling them apart.</summary>
    public IReadOnlyList<NumaNode> Nodes { get; init; } = [];

    /// <summary>Ends the process.</summary>
    public required Action Quit { get; init; }

    /// <summary>Presses the power button; null where the machine has none.</summary>
    public Action? PressPowerButton { get; init; }

    /// <summary>Started with <c>-preconfig</c>: until <c>x-exit-preconfig</c> only some commands are there.</summary>
    public bool IsPreconfig { get; set; }

    /// <summary>The machine runs as soon as it is configured: not with <c>-S</c>.</summary>
    public bool AutoStart { get; init; } = true;

    /// <summary>Where <c>-machine none</c> is, which runs and stops although there is nothing that could.</summary>
    public MachineState EmptyMachineState { get; set; }

    /// <summary>Told what happens to an empty machine; a real one tells of itself.</summary>
    public Action<MachineEvent, MachineCause> OnEvent { get; set; } = static (_, _) => { };

    /// <summary>What <c>announce-self</c> began, by id; it locks this.</summary>
    internal Dictionary<string, IDisposable> Announcements { get; } = new(StringComparer.Ordinal);

    public MachineState State => Machine?.State ?? EmptyMachineState;

    /// <summary>The machine, for a command that needs one.</summary>
    /// <exception cref="QmpException">There is none.</exception>
    public Machine Needed => Machine ?? throw new QmpException("there is no machine: gvmm was started with -machine none");

    public void Pause()
    {
        Machine?.Pause();
        if (Machine is null && EmptyMachineState == MachineState.Running)
            SetEmptyMachine(MachineState.Paused, MachineEvent.Stop);
    }

    /// <exception cref="QmpException">It cannot go on.</exception>
    public void Resume()
    {
        foreach (var node in Blocks.All)
            node.Errors?.Forget();
        if (Machine?.Resume() is false)
            throw new QmpException("Resetting the Virtual Machine is required");
        if (Machine is null && EmptyMachineState != MachineState.Running)
            SetEmptyMachine(MachineState.Running, MachineEvent.Resume);
    }

    private void SetEmptyMachine(MachineState state, MachineEvent what)
    {
        EmptyMachineState = state;
        OnEvent(what, MachineCause.None);
    }
}

/// <summary>The QMP commands that there are. Names and shapes of arguments and answers are QEMU's (QEMU QMP Reference Manual).</summary>
public sealed class QmpCommands
{
    private readonly Dictionary<string, QmpCommand> _byName = new(StringComparer.Ordinal);
    private readonly List<QmpCommand> _all = [];
    private readonly QmpContext _context;

    public QmpCommands(QmpContext context)
    {
        _context = context;
        Add(new ProtocolCommands(_all, context).All);
        Add(new RunStateCommands(context).All);
        Add(new IntrospectionCommands(context).All);
        Add(new HostCommands(context).All);
        Add(new BlockCommands(context).All);
        Add(new DeviceCommands(context).All);
        Add(new MonitorCommands(context).All);
        Add(new MigrationCommands(context).All);
        Add(new DiskCommands(context).All);
        Add(new BalloonCommands(context).All);
        Add(new AnnounceCommands(context).All);
    }

    public IReadOnlyList<QmpCommand> All => _all;

    /// <summary>Carries a command out and gives what writes its return value.</summary>
    /// <param name="isOob">Asked for with <c>exec-oob</c>.</param>
    /// <exception cref="QmpException">There is no such command, or it is refused.</exception>
    public Action<Utf8JsonWriter> Execute(string name, JsonElement arguments, bool isOob = false)
    {
        if (!_byName.TryGetValue(name, out var command))
            throw new QmpException($"The command {name} has not been found", QmpException.CommandNotFound);
        if (isOob && !command.AllowsOob)
            throw new QmpException($"The command {name} does not support OOB");
        if (_context.IsPreconfig && !command.AllowsPreconfig)
            throw new QmpException($"The command '{name}' isn't permitted in 'preconfig' state", QmpException.CommandNotFound);
        command.Check(arguments);
        return command.Execute(new QmpArguments(arguments));
    }

    /// <summary>Does what must follow the answer to a command: the client of <c>quit</c> gets its answer first.</summary>
    public void AfterAnswer(string name)
    {
        if (name == "quit")
            _context.Quit();
    }

    private void Add(IEnumerable<QmpCommand> commands)
    {
        foreach (var command in commands)
        {
            _all.Add(command);
            _byName.Add(command.Name, command);
        }
    }
}
