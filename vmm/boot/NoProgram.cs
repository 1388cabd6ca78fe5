using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Memory;

namespace Gauntlet.Vmm.Boot;

/// <summary>Nothing to boot: the processor stays in reset state. For a machine that is driven from outside, by qtest.</summary>
public sealed class NoProgram : IBootProgram
{
    public void Start(GuestMemory memory, ref X86State state) { }
}
