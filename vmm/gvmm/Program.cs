using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Gauntlet.Linux;
using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Accel.Cpu;
using Gauntlet.Vmm.Accel.Tcg.Frontends.X86;
using Gauntlet.Vmm.Boot;
using Gauntlet.Vmm.Chardevs;
using Gauntlet.Vmm.Machines;
using Gauntlet.Vmm.Program.Options;
using Gauntlet.Vmm.Program.Serial;
using Gauntlet.Vmm.Accel.Qtest;
using Gauntlet.Vmm.Devices.Pci;
using Gauntlet.Vmm.Devices.Platform;
using Gauntlet.Vmm.Devices.Serial;
using Gauntlet.Vmm.Protocols.Gdb;
using Gauntlet.Vmm.Protocols.Hmp;
using Gauntlet.Vmm.Protocols.Qmp;
using Gauntlet.Vmm.Protocols.Qtest;
using Gauntlet.Vmm.Storage;

namespace Gauntlet.Vmm.Program;

/// <summary>gvmm: parses its command line, builds the machine, runs it, and ends with its status.</summary>
internal static class Program
{
    // Where Debian's seabios has it.
    private const string DefaultFirmware = "/usr/share/seabios/bios-256k.bin";

    private static int Main(string[] arguments)
    {
        try
        {
            var options = OptionParser.Parse(arguments);
            if (options.Listing != Listing.None)
            {
                Print(Descriptors.StandardOutput, Listings.Of(options.Listing));
                return ExitStatus.Done;
            }
            if (options.PidFile is { } pidFile)
                WritePidFile(pidFile);
            if (options.ListsTraceEvents)
                options.SetAccelerator(QtestAccelerator.AcceleratorName);
            return options.Machine == "none" ? RunWithoutMachine(options) : RunMachine(options);
        }
        catch (Exception refused) when (refused is OptionException or BootException or AcceleratorException or LinuxException or BlockImageException or SnapshotException)
        {
            Complain(refused.Message);
            return ExitStatus.Refused;
        }
    }

    private static int RunMachine(GvmmOptions options)
    {
        // Before the kernel, as QEMU does: a script that probes with a kernel that does not exist learns what the CPU lacks.
        _ = CpuModel.Parse(options.Cpu);
        if (options.Accelerators is [{ Name: "tcg" }])
            _ = X86CpuModel.Parse(options.Cpu, options.CpuCount);
        var program = ReadProgram(options);
        Machine? machine = null;
        using var chardevs = new ChardevSet(options.Chardevs, () => machine?.RequestQuit());
        var serial = OpenSerial(options, chardevs);
        using var board = NewBoard(options, serial, program);
        machine = board.Machine;
        // Before anybody can ask for one.
        if (options.Sandbox)
            machine.SandboxedSnapshots = new SandboxedSnapshots(options.SandboxSnapshot);
        using var networks = new Networks(options);
        using var tracing = MachineTracing.Open(options, machine);
        var backends = new Backends(new Drives(options.Drives, tracing?.Tracer) { OnError = machine.NoteBlockError }, networks, chardevs);
        options.Blockdevs?.ForEach(blockdev => BlockdevReader.Add(backends.Drives.Nodes, blockdev));
        Monitors? monitors = null;
        var hotPlug = new HotPlug(board, backends, tracing, id => monitors?.OnDeviceDeleted(id));
        foreach (var device in options.Devices)
        {
            DeviceCatalog.Add(board, device, backends);
            hotPlug.Note(device);
        }
        DeviceCatalog.AddVirtioDrives(board, options.Drives, backends.Drives);
        AddFwCfg(board, options);
        tracing?.WatchDevices();
        if (options.ListsTraceEvents)
        {
            Print(Descriptors.StandardOutput, tracing!.List());
            return ExitStatus.Done;
        }
        foreach (var unknown in tracing?.Tracer.Unknown ?? [])
            Complain($"warning: -trace {unknown}: this machine has no such event");
        board.Complete(program);
        foreach (var warning in machine.Accelerator.Warnings)
            Complain($"warning: {warning}");

        var context = ContextOf(options, chardevs, machine.RequestQuit) with
        {
            Machine = machine,
            Lines = board.Lines,
            Blocks = backends.Drives.Nodes,
            HotPlug = hotPlug,
            PciFunctions = () => board is PcBoard pc ? PciFunctionsOf(pc) : [],
            PressPowerButton = () => machine.PressPowerButton()
        };
        monitors = new Monitors(options.Monitors, chardevs, context);
        machine.Happened += monitors.OnMachineEvent;
        machine.BlockFailed += monitors.OnBlockError;
        ConnectSerial(board, serial);
        if (options.Qtest is { } qtest)
            _ = new QtestServer(Take("-qtest", chardevs[qtest]), new QtestTarget(machine, board.Lines), OpenLog(options.QtestLog));
        if (options.Gdb is { } gdb)
        {
            var server = new GdbServer(Take("-gdb", chardevs[gdb]), machine, HasLongMode(options.Cpu), new MonitorConsole(context));
            machine.Happened += server.OnMachineEvent;
        }
        chardevs.Start();
        networks.Start();
        using var signals = new EndingSignals(machine.RequestQuit);
        using var snapshot = options.Snapshot is { } path ? SnapshotFile.Open(path) : null;
        EnterSandbox(options);
        var end = Run(machine, options, snapshot);
        FlushSerial(serial);
        backends.FlushPorts();
        tracing?.Dispose();
        var status = Report(machine, end);
        // What is left would only be taken apart to be thrown away: the kernel does that faster. A guest's RAM and vCPUs go with the process.
        chardevs.Dispose();
        Descriptors.ExitNow(status);
        return status;
    }

    private static MachineEnd Run(Machine machine, GvmmOptions options, Stream? snapshot)
    {
        var paused = options.StartPaused || options.Preconfig;
        if (snapshot is null)
            return machine.Run(paused);
        var end = default(MachineEnd);
        SnapshotFile.Explain(options.Snapshot!, () => end = machine.Run(paused, snapshot));
        return end;
    }

    private static PciConfigView[] PciFunctionsOf(PcBoard board)
    {
        lock (board.Machine.Bus.DeviceLock)
            return [.. board.Pci.Functions.Select(place => new PciConfigView(place.Slot, place.Function, Read(place.Config)))];

        Func<int, int, uint> Read(PciFunction config) => (offset, size) =>
        {
            lock (board.Machine.Bus.DeviceLock)
                return config.Read(offset, size);
        };
    }

    // Last of all: everything that the machine is made of is open.
    private static void EnterSandbox(GvmmOptions options)
    {
        if (!options.Sandbox)
            return;
        if (!Sandbox.IsSupported)
            throw new OptionException("-sandbox on: only on x86-64 hosts");
        Sandbox.Enter();
    }

    // What gdb takes the registers for.
    private static bool HasLongMode(string cpu) =>
        !CpuFeatures.TryFind("lm", out var word, out var bit) || !CpuModel.Parse(cpu).Removed.Contains(new CpuFeatureBit(word, bit));

    // For probing: no guest, QMP only, until told to quit.
    private static int RunWithoutMachine(GvmmOptions options)
    {
        using var ended = new ManualResetEventSlim();
        using var chardevs = new ChardevSet(options.Chardevs, ended.Set);
        var context = ContextOf(options, chardevs, ended.Set);
        var monitors = new Monitors(options.Monitors, chardevs, context);
        context.OnEvent = monitors.OnMachineEvent;
        if (options.Qtest is { } qtest)
            _ = new QtestServer(Take("-qtest", chardevs[qtest]), new QtestTarget(null, null), OpenLog(options.QtestLog));
        chardevs.Start();
        using var signals = new EndingSignals(ended.Set);
        EnterSandbox(options);
        ended.Wait();
        chardevs.Dispose();
        // With the signals still held: one that comes now must not look like a crash.
        Descriptors.ExitNow(ExitStatus.Done);
        return ExitStatus.Done;
    }

    private static QmpContext ContextOf(GvmmOptions options, ChardevSet chardevs, Action quit) => new()
    {
        MachineType = options.Machine,
        DeviceTypes = DeviceCatalog.Names,
        Chardevs = chardevs.All,
        Name = options.Name,
        Uuid = options.Uuid,
        RamBytes = options.Machine == "none" ? 0 : options.RamBytes,
        Nodes = options.Machine == "none" ? [] : options.Numa?.Nodes(options.CpuCount, options.RamBytes) ?? [],
        Quit = quit,
        IsPreconfig = options.Preconfig,
        AutoStart = !options.StartPaused,
        EmptyMachineState = options.StartPaused || options.Preconfig ? MachineState.Prelaunch : MachineState.Running,
    };

    private static List<ISerialBackend> OpenSerial(GvmmOptions options, ChardevSet chardevs)
    {
        var backends = new List<ISerialBackend>();
        foreach (var id in options.Serial)
            backends.Add(id.Length == 0 ? NullSerialBackend.Instance : new SerialBackend(Take("-serial", chardevs[id])));
        return backends;
    }

    private static void ConnectSerial(X86Board board, List<ISerialBackend> backends)
    {
        for (var i = 0; i < backends.Count; i++)
        {
            if (backends[i] is not SerialBackend backend)
                continue;
            var uart = board.SerialPorts[i];
            backend.OnInput = () =>
            {
                lock (board.Machine.Bus.DeviceLock)
                    uart.PollInput();
            };
        }
    }

    // Everything that the guest sent is out.
    private static void FlushSerial(List<ISerialBackend> backends)
    {
        foreach (var backend in backends)
            (backend as IDisposable)?.Dispose();
    }

    // A chardev that has room for one more user.
    internal static Chardev Take(string option, Chardev chardev) =>
        chardev is MuxChardev || chardev.User is null ? chardev : throw new OptionException($"{option}: chardev '{chardev.Id}' is in use; share it with mux=on");

    private static StreamWriter? OpenLog(string? path)
    {
        if (path is null or "none")
            return null;
        try
        {
            return new StreamWriter(path);
        }
        catch (Exception why) when (why is IOException or UnauthorizedAccessException)
        {
            throw new OptionException($"-qtest-log {path}: {why.Message}");
        }
    }

    private static IBootProgram ReadProgram(GvmmOptions options)
    {
        if (options.Kernel is null && options.Bios is null && options.Accelerators[0].Name == QtestAccelerator.AcceleratorName)
            return new NoProgram();
        if (options.Kernel is not { } path)
            return ReadFirmware(options);
        if (options.Bios is not null)
            throw new OptionException("-bios and -kernel: a kernel is started without firmware; give one of them");
        var image = BootFile.Read(path, "kernel", options.RamBytes);
        var flat = options.KernelFormat switch
        {
            KernelFormat.Flat => true,
            KernelFormat.Multiboot or KernelFormat.Pvh => false,
            _ => !MultibootProgram.IsMultiboot(image) && path.EndsWith(".bin", StringComparison.Ordinal),
        };
        if (flat)
        {
            if (options.Initrd is not null || options.Append is not null)
                throw new OptionException("-initrd and -append: a flat binary has nowhere to look for them");
            return new FlatProgram(path, image);
        }
        if (options.KernelFormat == KernelFormat.Auto && !MultibootProgram.IsMultiboot(image) && LinuxProgram.IsLinux(image))
            return new LinuxProgram(path, image, options.Append ?? "", options.Initrd is { } initrd ? BootFile.Read(initrd, "initrd", options.RamBytes) : []);
        if (options.KernelFormat is KernelFormat.Pvh || (options.KernelFormat == KernelFormat.Auto && !MultibootProgram.IsMultiboot(image) && Elf32Image.IsElf(image)))
            return new PvhProgram(path, image, options.Append ?? "", ReadModules(options));
        var commandLine = options.Append is { Length: > 0 } append ? $"{path} {append}" : path;
        return new MultibootProgram(path, image, commandLine, ReadModules(options));
    }

    private static FirmwareProgram ReadFirmware(GvmmOptions options)
    {
        var path = options.Bios ?? DefaultFirmware;
        if (options.Bios is null && !File.Exists(path))
            throw new OptionException($"no kernel given, and there is no firmware '{path}' to start a disk with: use -kernel or -bios, or install seabios");
        return new FirmwareProgram(path, BootFile.Read(path, "firmware", FirmwareProgram.MaxBytes));
    }

    // As QEMU: modules are separated by commas, each a path and its arguments.
    private static List<BootModule> ReadModules(GvmmOptions options)
    {
        var modules = new List<BootModule>();
        if (options.Initrd is not { } initrd)
            return modules;
        foreach (var word in PropertyList.Split(initrd))
        {
            var space = word.IndexOf(' ', StringComparison.Ordinal);
            modules.Add(new BootModule(BootFile.Read(space < 0 ? word : word[..space], "initrd", options.RamBytes), word));
        }
        return modules;
    }

    private static X86Board NewBoard(GvmmOptions options, List<ISerialBackend> serial, IBootProgram program)
    {
        if (options.Machine != "microvm")
        {
            return new PcBoard(
                Fill(new PcConfig
                {
                    Accelerators = AcceleratorsOf(options),
                    Model = options.Machine == "q35" ? PcModel.Q35 : PcModel.Pc,
                    HasHpet = options.HasHpet,
                    NoGraphic = options.NoGraphic,
                    FirmwareBytes = (program as FirmwareProgram)?.Bytes ?? 0,
                    IsFirmwareToRun = program is FirmwareProgram or NoProgram,
                },
                options, serial),
                Complain);
        }
        if (program is FirmwareProgram)
            throw new OptionException("-machine microvm: no kernel given, and there is no firmware for it; use -kernel");
        return new MicrovmBoard(
            Fill(new MicrovmConfig { Accelerators = AcceleratorsOf(options), HasAcpi = options.HasAcpi, HasPic = options.HasPic, HasRtc = options.HasRtc }, options, serial), Complain);
    }

    private static AcceleratorChoice[] AcceleratorsOf(GvmmOptions options)
    {
        var accelerators = new AcceleratorChoice[options.Accelerators.Count];
        for (var i = 0; i < accelerators.Length; i++)
            accelerators[i] = new AcceleratorChoice(options.Accelerators[i].Name, options.Accelerators[i].Properties);
        return accelerators;
    }

    // What is the same for every machine.
    private static T Fill<T>(T config, GvmmOptions options, List<ISerialBackend> serial)
        where T : X86Config
    {
        var now = options.RtcLocalTime ? DateTime.Now : DateTime.UtcNow;
        return config with
        {
            CpuCount = options.CpuCount,
            CpuModel = options.Cpu,
            RamBytes = options.RamBytes,
            SerialPorts = serial,
            StartUtc = DateTime.SpecifyKind(options.RtcBase ?? now, DateTimeKind.Utc),
            HasPit = options.HasPit,
            Nodes = options.Numa?.Nodes(options.CpuCount, options.RamBytes) ?? [],
            Uuid = options.Uuid,
            SmbiosFields = options.Smbios.Fields,
            OemStrings = options.Smbios.OemStrings,
            InstructionShift = options.InstructionShift,
            PanicResponse = options.PanicAction switch
            {
                PanicAction.Pause => PanicResponse.Pause,
                PanicAction.None => PanicResponse.None,
                _ => PanicResponse.Shutdown,
            },
            NoReboot = options.NoReboot,
            NoShutdown = options.NoShutdown,
        };
    }

    private static void AddFwCfg(X86Board board, GvmmOptions options)
    {
        // RFC 4122's order of bytes, as the text has it.
        board.FwCfg.Add(FwCfg.UuidKey, options.Uuid.ToByteArray(bigEndian: true));
        if (options.Boot is { } boot)
        {
            board.FwCfg.Add(FwCfg.BootMenuKey, (ushort)(boot.Menu is true ? 1 : 0));
            if (boot.SplashMilliseconds is { } splash)
                board.FwCfg.AddFile("etc/boot-menu-wait", BitConverter.GetBytes((ushort)splash));
            if (boot.RebootTimeoutMilliseconds is { } timeout)
                board.FwCfg.AddFile("etc/boot-fail-wait", BitConverter.GetBytes(timeout));
        }
        foreach (var item in options.FwCfg)
        {
            try
            {
                board.FwCfg.AddFile(item.Name, item.File is { } path ? BootFile.Read(path, "fw_cfg file", options.RamBytes) : Encoding.UTF8.GetBytes(item.Text!));
            }
            catch (ArgumentException why)
            {
                throw new OptionException($"-fw_cfg: {why.Message}");
            }
        }
    }

    private static int Report(Machine machine, MachineEnd end)
    {
        switch (end.Kind)
        {
            case MachineEndKind.Exit:
                return end.Status;
            case MachineEndKind.TripleFault:
                Print(Descriptors.StandardError, FailureReport.Of(machine, end.Vcpu!, "triple fault, and -no-reboot was given"));
                return ExitStatus.Done;
            case MachineEndKind.VcpuFailure:
                Print(Descriptors.StandardError, FailureReport.Of(machine, end.Vcpu!, end.Vcpu!.Failure ?? "the accelerator cannot go on"));
                return ExitStatus.Failed;
            case MachineEndKind.InternalFault:
                Complain($"internal error, a fault of gvmm, not of the guest: {end.Fault}");
                if (end.Vcpu is { } vcpu)
                    Print(Descriptors.StandardError, FailureReport.Of(machine, vcpu, "stopped by the error above"));
                return ExitStatus.Failed;
            default:
                return ExitStatus.Done;
        }
    }

    private static void WritePidFile(string path)
    {
        try
        {
            File.WriteAllText(path, string.Create(CultureInfo.InvariantCulture, $"{Environment.ProcessId}\n"));
        }
        catch (Exception why) when (why is IOException or UnauthorizedAccessException)
        {
            throw new OptionException($"-pidfile {path}: {why.Message}");
        }
    }

    private static void Complain(string message) => Print(Descriptors.StandardError, $"gvmm: {message}\n");

    private static void Print(int fd, string text) => _ = Descriptors.WriteAll(fd, Encoding.UTF8.GetBytes(text));

    /// <summary>SIGTERM, SIGINT and SIGHUP end the machine, as they end QEMU: with a line that says so, and status 0.</summary>
    private sealed class EndingSignals : IDisposable
    {
        // A vCPU that waits for a reader of its console cannot be parked.
        private static readonly TimeSpan OrderlyEnd = TimeSpan.FromMilliseconds(500);

        private readonly PosixSignalRegistration[] _registrations;

        public EndingSignals(Action onEnd)
        {
            _registrations = [Register(PosixSignal.SIGTERM, 15), Register(PosixSignal.SIGINT, 2), Register(PosixSignal.SIGHUP, 1)];

            PosixSignalRegistration Register(PosixSignal signal, int number) => PosixSignalRegistration.Create(signal, context =>
            {
                context.Cancel = true;
                Complain(string.Create(CultureInfo.InvariantCulture, $"terminating on signal {number}"));
                onEnd();
                Thread.Sleep(OrderlyEnd);
                Descriptors.ExitNow(ExitStatus.Done);
            });
        }

        public void Dispose()
        {
            foreach (var registration in _registrations)
                registration.Dispose();
        }
    }
}
