using System.Text;
using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Accel.Tcg;
using Gauntlet.Vmm.Boot;
using Gauntlet.Vmm.Devices.Serial;
using Gauntlet.Vmm.Machines;

namespace Gauntlet.Vmm.Tests.State;

/// <summary><c>-icount</c>: suites that are all about time see the same times, at the same instructions, each time that they run.</summary>
public sealed class InstructionCountTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(5);

    [Theory]
    [InlineData("i8254")]
    [InlineData("lapic")]
    [InlineData("rtc")]
    [InlineData("exceptions")]
    public async Task The_same_guest_tells_the_same_at_the_same_instructions_whichever_back_end_runs_it(string suite)
    {
        var first = await Run(suite, null);
        Assert.NotEmpty(first);
        Assert.Equal(first, await Run(suite, null));
        Assert.Equal(first, await Run(suite, "interp"));
    }

    [Fact]
    public async Task A_suite_about_timers_passes_by_counted_time()
    {
        var console = new StringBuilder();
        foreach (var (value, _) in await Run("i8254", null))
            console.Append((char)value);
        Assert.Contains("PASS", console.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("FAIL", console.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Time_goes_by_instructions_to_the_next_timer_when_there_is_nothing_to_do_and_never_back()
    {
        long instructions = 0;
        var woken = 0;
        var gate = new Lock();
        var clock = new InstructionClock(gate, DateTime.UnixEpoch, shift: 3);
        clock.Connect(() => instructions, () => woken++);
        var fired = new List<long>();
        var timer = clock.CreateTimer(() => fired.Add(clock.NowNs));
        instructions = 100;
        Assert.Equal(800, clock.NowNs);
        // A fault took instructions back; time that was seen stays.
        instructions = 90;
        Assert.Equal(800, clock.NowNs);
        lock (gate)
            timer.Arm(1000);
        Assert.Equal(1, woken);
        Assert.False(clock.IsDue);
        instructions = 125;
        Assert.True(clock.IsDue);
        clock.FireDue();
        Assert.Equal([1000], fired);
        Assert.False(clock.SkipToNext());
        lock (gate)
            timer.Arm(5000);
        Assert.True(clock.SkipToNext());
        Assert.Equal([1000, 5000], fired);
        instructions = 126;
        Assert.Equal(5008, clock.NowNs);
        clock.SetNow(70);
        Assert.Equal(70, clock.NowNs);
        instructions = 127;
        Assert.Equal(78, clock.NowNs);
    }

    // Each console byte with the instructions that the guest had executed when it sent it.
    private static async Task<List<(byte Value, long Instructions)>> Run(string suite, string? backend)
    {
        var properties = new Dictionary<string, string>();
        if (backend is not null)
            properties["backend"] = backend;
        var console = new Console();
        using var board = new PcBoard(
            new PcConfig
            {
                Accelerators = [new AcceleratorChoice("tcg", properties)],
                RamBytes = 32 << 20,
                SerialPorts = [console],
                StartUtc = DateTime.UnixEpoch,
                NoReboot = true,
                InstructionShift = 2,
            },
            _ => { });
        board.AddDebugExit(0xf4, 4);
        board.AddPcTestDev();
        board.Complete(new MultibootProgram(suite, File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "suites", suite + ".elf")), suite, []));
        console.Vcpu = (TcgVcpu)board.Machine.Vcpus[0];
        using var limit = new CancellationTokenSource(s_patience);
        using var registration = limit.Token.Register(board.Machine.RequestQuit);
        var end = await Task.Factory.StartNew(() => board.Machine.Run(), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        Assert.Equal(MachineEndKind.Exit, end.Kind);
        return console.Bytes;
    }

    private sealed class Console : ISerialBackend
    {
        public List<(byte Value, long Instructions)> Bytes { get; } = [];

        public TcgVcpu? Vcpu { get; set; }

        public void Write(byte value) => Bytes.Add((value, Vcpu!.Instructions));

        public int Read(Span<byte> destination) => 0;
    }
}
