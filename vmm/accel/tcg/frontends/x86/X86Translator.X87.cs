using Iced.Intel;

namespace Gauntlet.Vmm.Accel.Tcg.Frontends.X86;

// x87 (SDM Vol. 1, chapter 8).
public sealed unsafe partial class X86Translator
{
    private bool TranslateX87(Mnemonic mnemonic) => false;
}
