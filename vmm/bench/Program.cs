using Gauntlet.Vmm.Bench.Exits;
using Gauntlet.Vmm.Bench.Kick;
using Gauntlet.Vmm.Bench.Snapshot;
using Gauntlet.Vmm.Bench.Startup;
using Gauntlet.Vmm.Bench.Tcg;
using Gauntlet.Vmm.Bench.Virtio;

switch (args)
{
    case ["exits", .. var rest]:
        return ExitBench.Run(rest);
    case ["startup", .. var rest]:
        return StartupBench.Run(rest);
    case ["kick", .. var rest]:
        return KickBench.Run(rest);
    case ["snapshot", .. var rest]:
        return SnapshotBench.Run(rest);
    case ["tcg", .. var rest]:
        return TcgBench.Run(rest);
    case ["virtio", .. var rest]:
        return VirtioBench.Run(rest);
    default:
        Console.Error.WriteLine("usage: vmm/bench/run BENCHMARK\n  exits [ROUNDS]   a KVM exit's round trip by kind: gvmm's vCPU loop against a bare C loop\n  startup [ROUNDS] from spawn to the first console byte and to the end: gvmm against QEMU\n  kick [ROUNDS]    how long a spinning vCPU takes to stop, and a machine to pause\n  snapshot [ROUNDS] back to a checkpoint in memory: each device, a whole machine by pages written\n  tcg [ROUNDS] [LOOP]  loops under the translator, host code and interpreter: against QEMU's\n  virtio [ROUNDS]  disk requests and network frames a second: gvmm against QEMU");
        return 2;
}
