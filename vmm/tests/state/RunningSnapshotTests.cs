using System.Text;
using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Boot;
using Gauntlet.Vmm.Devices.Serial;
using Gauntlet.Vmm.Machines;
using Gauntlet.Vmm.Tests.Accel.Kvm;

namespace Gauntlet.Vmm.Tests.State;

/// <summary>Suites of the project's own, whole, on machines that run in their own threads.</summary>
public sealed class RunningSnapshotTests : IDisposable
{
    /// <summary>A suite takes seconds; a busy host makes more of them, but a machine that is not done by then hangs.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(3);

    private readonly string _folder = Directory.CreateTempSubdirectory("gauntlet-snapshot-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("smoke", 1, 10)]
    [InlineData("flags", 1, 300)]
    [InlineData("exceptions", 1, 500)]
    [InlineData("strings", 1, 100)]
    [InlineData("paging", 1, 700)]
    [InlineData("x87", 1, 900)]
    [InlineData("uart", 1, 200)]
    [InlineData("i8259", 1, 400)]
    [InlineData("smp", 2, 300)]
    public Task A_suite_goes_on_from_its_file_as_without_under_the_translator(string suite, int cpus, int afterBytes) => GoesOn("tcg", suite, cpus, afterBytes);

    [KvmTheory]
    [InlineData("smoke", 1, 10)]
    [InlineData("smp", 2, 300)]
    public Task A_suite_goes_on_from_its_file_as_without_under_kvm(string suite, int cpus, int afterBytes) => GoesOn("kvm", suite, cpus, afterBytes);

    [Fact]
    public async Task A_running_machine_goes_on_after_it_was_saved()
    {
        using var reference = new SuiteMachine("tcg", "flags", 1);
        var expected = await reference.Run();
        using var saved = new SuiteMachine("tcg", "flags", 1);
        var end = saved.Run(paused: true);
        saved.Machine.AwaitWishes();
        Assert.True(saved.Machine.Resume());
        SnapshotFile.Save(saved.Machine, Path.Combine(_folder, "one"));
        Assert.Equal(MachineState.Running, saved.Machine.State);
        Assert.Equal(expected, await end);
        Assert.Equal(reference.Results, saved.Results);
        Assert.Equal(["one"], Directory.GetFiles(_folder).Select(Path.GetFileName));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(_folder, "one")));
    }

    [Fact]
    public async Task A_machine_that_was_paused_when_it_was_saved_starts_paused()
    {
        using var original = new SuiteMachine("tcg", "smoke", 1);
        var end = original.Run(paused: true);
        var path = Path.Combine(_folder, "paused");
        SnapshotFile.Save(original.Machine, path);
        using var restored = new SuiteMachine("tcg", "smoke", 1);
        using var file = SnapshotFile.Open(path);
        var restoredEnd = restored.Run(snapshot: file);
        restored.Machine.AwaitWishes();
        Assert.Equal(MachineState.Paused, restored.Machine.State);
        Assert.True(restored.Machine.Resume());
        original.Machine.Resume();
        Assert.Equal(await end, await restoredEnd);
        Assert.Equal(original.Results, restored.Results);
    }

    [Fact]
    public async Task A_snapshot_that_cannot_be_written_or_read_says_why_and_the_machine_goes_on()
    {
        using var machine = new SuiteMachine("tcg", "smoke", 1);
        var end = machine.Run(paused: true);
        var refused = Assert.Throws<SnapshotException>(() => SnapshotFile.Save(machine.Machine, Path.Combine(_folder, "missing", "file")));
        Assert.Contains("missing", refused.Message, StringComparison.Ordinal);
        Assert.Throws<SnapshotException>(() => SnapshotFile.Load(machine.Machine, Path.Combine(_folder, "none")));
        var text = Path.Combine(_folder, "text");
        File.WriteAllText(text, "a file of another kind");
        Assert.Contains("not a snapshot of gvmm", Assert.Throws<SnapshotException>(() => SnapshotFile.Load(machine.Machine, text)).Message, StringComparison.Ordinal);
        Assert.True(machine.Machine.Resume());
        Assert.Equal(MachineEndKind.Exit, (await end).Kind);
    }

    private async Task GoesOn(string accelerator, string suite, int cpus, int afterBytes)
    {
        using var reference = new SuiteMachine(accelerator, suite, cpus);
        var expected = await reference.Run();
        Assert.NotEmpty(reference.Results);

        using var original = new SuiteMachine(accelerator, suite, cpus) { StopAfter = afterBytes };
        var originalEnd = original.Run();
        await original.Reached;
        var path = Path.Combine(_folder, "snapshot");
        SnapshotFile.Save(original.Machine, path);
        var before = original.Console;
        original.Machine.RequestQuit();
        await originalEnd;

        using var restored = new SuiteMachine(accelerator, suite, cpus);
        using var file = SnapshotFile.Open(path);
        var end = restored.Run(snapshot: file);
        restored.Machine.AwaitWishes();
        Assert.True(restored.Machine.Resume());
        var ended = await end;
        Assert.True(restored.Hung is null, $"before: {before}\nafterwards, to where it hangs: {restored.Hung}");
        Assert.Equal(expected, ended);
        Assert.NotEqual("", restored.Console);
        Assert.Equal(reference.Results, SuiteMachine.ResultsOf(before + restored.Console));
    }

    private sealed class SuiteMachine : ISerialBackend, IDisposable
    {
        private readonly PcBoard _board;
        private readonly StringBuilder _console = new();
        private readonly TaskCompletionSource _reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private CancellationTokenSource? _limit;

        public SuiteMachine(string accelerator, string suite, int cpus)
        {
            _board = new PcBoard(
                new PcConfig { Accelerators = [new AcceleratorChoice(accelerator, new Dictionary<string, string>())], CpuCount = cpus, RamBytes = 32 << 20, SerialPorts = [this], StartUtc = DateTime.UnixEpoch, NoReboot = true },
                _ => { });
            _board.AddDebugExit(0xf4, 4);
            _board.AddPcTestDev();
            var image = File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "suites", suite + ".elf"));
            _board.Complete(new MultibootProgram(suite, image, suite, []));
        }

        public Machine Machine => _board.Machine;

        /// <summary>Bytes of console output at which the machine pauses and <see cref="Reached"/> completes.</summary>
        public int StopAfter { get; init; } = int.MaxValue;

        public Task Reached => _reached.Task;

        /// <summary>The console when patience was over; null as long as it is not.</summary>
        public string? Hung { get; private set; }

        public string Console
        {
            get
            {
                lock (_console)
                    return _console.ToString();
            }
        }

        public string[] Results => ResultsOf(Console);

        public static string[] ResultsOf(string console) =>
            [.. console.Split('\n').Where(line => line.StartsWith("PASS", StringComparison.Ordinal) || line.StartsWith("FAIL", StringComparison.Ordinal) || line.StartsWith("SKIP", StringComparison.Ordinal))];

        public Task<MachineEnd> Run(bool paused = false, Stream? snapshot = null)
        {
            _limit = new CancellationTokenSource(s_patience);
            _limit.Token.Register(() =>
            {
                Hung = Console;
                _reached.TrySetException(new TimeoutException($"after {s_patience}; console: {Console}"));
                Machine.RequestQuit();
            });
            return Task.Factory.StartNew(() => Machine.Run(paused, snapshot), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        }

        public void Write(byte value)
        {
            lock (_console)
            {
                _console.Append((char)value);
                if (_console.Length == StopAfter)
                {
                    // On the vCPU's thread: it goes no further.
                    Machine.RequestPause();
                    _reached.TrySetResult();
                }
            }
        }

        public int Read(Span<byte> destination) => 0;

        public void Dispose()
        {
            _limit?.Dispose();
            _board.Dispose();
        }
    }
}
