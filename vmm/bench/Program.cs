using Gauntlet.Vmm.Bench.Exits;

switch (args)
{
    case ["exits", .. var rest]:
        return ExitBench.Run(rest);
    default:
        Console.Error.WriteLine("usage: vmm/bench/run BENCHMARK\n  exits [ROUNDS]   a KVM exit's round trip by kind: gvmm's vCPU loop against a bare C loop");
        return 2;
}
