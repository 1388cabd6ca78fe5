using System.Diagnostics;
using System.Runtime.InteropServices;
using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Accel.Kvm;
using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Memory;

namespace Gauntlet.Vmm.Bench.Exits;

/// <summary>gvmm's own way from an exit to a device and back: accelerator, vCPU, bus with its lock, one device.</summary>
public sealed partial class GvmmLoop : IDisposable
{
    private readonly GuestRam _ram = new("bench.ram", 0, ExitGuest.ImageBytes);
    private readonly KvmAccelerator _accelerator = new(new KvmOptions(Pit: false));
    private readonly IVcpu _vcpu;
    private readonly TurnCounter _counter;

    public unsafe GvmmLoop(ExitKind kind)
    {
        ExitGuest.Assemble(kind).CopyTo(new Span<byte>(_ram.HostPointer, ExitGuest.ImageBytes));
        _accelerator.SetMemory([_ram]);
        _counter = new TurnCounter(kind == ExitKind.Halt ? _accelerator.IrqChip!.GetLine(ExitGuest.Line) : null);
        var bus = new IoBus();
        bus.MapPorts(_counter, TurnCounter.PortRegion, ExitGuest.Port);
        bus.MapMmio(_counter, TurnCounter.MmioRegion, ExitGuest.MmioAddress);
        var io = new VcpuIo(bus, null, fault => Environment.FailFast("the benchmark's device failed", fault));
        _vcpu = _accelerator.CreateVcpu(new VcpuSetup(0, 1, "max", io, null));
        _counter.Vcpu = _vcpu;
        _vcpu.GetState(out var state);
        state.Cs = new X86Segment(0, 0, 0xffff, 0x9b);
        state.Rip = ExitGuest.EntryPoint;
        _vcpu.SetState(state);
    }

    /// <summary>Goes on for a number of turns of the guest's loop.</summary>
    public TurnTime Measure(int turns)
    {
        _counter.Left = turns;
        var start = Stopwatch.GetTimestamp();
        var cpuStart = ThreadCpuNs();
        var stop = _vcpu.Run();
        var cpu = ThreadCpuNs() - cpuStart;
        var took = Stopwatch.GetElapsedTime(start);
        return stop == VcpuStop.Kicked
            ? new TurnTime(took.TotalNanoseconds / turns, (double)cpu / turns)
            : throw new InvalidOperationException($"the guest ended: {stop}, {_vcpu.Failure}");
    }

    private static unsafe long ThreadCpuNs()
    {
        const int clockThreadCpuTime = 3;
        var time = stackalloc long[2];
        _ = clock_gettime(clockThreadCpuTime, time);
        return time[0] * 1_000_000_000 + time[1];
    }

    [LibraryImport("libc")]
    private static unsafe partial int clock_gettime(int clock, long* time);

    public void Dispose()
    {
        _vcpu.Dispose();
        _accelerator.Dispose();
        _ram.Dispose();
    }

    /// <summary>The device at which each turn passes; it stops the vCPU after the last.</summary>
    private sealed class TurnCounter(IIrqLine? line) : IPortDevice, IMmioDevice
    {
        public const int PortRegion = 0, MmioRegion = 1;

        public int Left { get; set; }

        public IVcpu? Vcpu { get; set; }

        public string Name => "turn-counter";

        public IReadOnlyList<RegisterMap> Regions { get; } =
        [
            new("port", AddressSpace.Port, 1, [new Register("COUNT", 0, 1)]),
            new("mmio", AddressSpace.Mmio, 4096, [new Register("COUNT", 0, 4)]),
        ];

        public uint ReadPort(int region, uint offset, int size) => Count();

        public void WritePort(int region, uint offset, int size, uint value) => Count();

        public ulong ReadMmio(int region, ulong offset, int size) => Count();

        public void WriteMmio(int region, ulong offset, int size, ulong value) => Count();

        private uint Count()
        {
            line?.Set(true);
            line?.Set(false);
            if (--Left == 0)
                Vcpu!.Kick();
            return 0;
        }
    }
}
