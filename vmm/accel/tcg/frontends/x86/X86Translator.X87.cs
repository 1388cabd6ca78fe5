using Gauntlet.Vmm.Accel.Tcg.Fpu;
using Iced.Intel;

namespace Gauntlet.Vmm.Accel.Tcg.Frontends.X86;

// x87 (SDM Vol. 1, chapter 8): by opcode and ModRM, as the arithmetic takes them.
public sealed unsafe partial class X86Translator
{
    private bool TranslateX87(Mnemonic mnemonic)
    {
        if (mnemonic == Mnemonic.Wait)
        {
            if ((_mode & Mode.MonitorCoprocessor) != 0 && (_mode & Mode.TaskSwitched) != 0)
                RaiseHere(Vector.NM);
            else
                Call(X86Helper.X87Wait);
            return true;
        }
        var bytes = _reader.BytesFrom(_instructionStart);
        var at = 0;
        while (at < bytes.Length && IsPrefix(bytes[at]))
            at++;
        if (at + 1 >= bytes.Length || bytes[at] is < 0xd8 or > 0xdf)
            return false;
        int opcode = bytes[at], modRm = bytes[at + 1];
        if (!FpuAvailable(false))
            return true;
        var imm = opcode << 8 | modRm;
        if (modRm >= 0xc0)
        {
            // FCMOVcc, FCOMI and their relatives know the status flags.
            if (opcode is 0xda or 0xdb or 0xdf)
            {
                MaterializeFlags();
                Call(X86Helper.X87Register, X86Globals.CcDst, X86Globals.CcDst, Const(_pc), imm: imm);
            }
            else
                Call(X86Helper.X87Register, a: Const(0), b: Const(_pc), imm: imm);
            return true;
        }
        var wide = _instruction.MemorySize is not (MemorySize.FpuEnv14 or MemorySize.FpuState94);
        var size = X87.OperandBytes(opcode, modRm >> 3 & 7, wide, out var isStore);
        if (size == 0)
        {
            Undefined();
            return true;
        }
        var address = EffectiveAddress(size, isStore);
        Call(X86Helper.X87Memory, a: Whole(address), b: Const(_pc), imm: imm | (wide ? 1 << 16 : 0) | address.Attributes << 24);
        return true;
    }

    private bool IsPrefix(byte value) =>
        value is 0x26 or 0x2e or 0x36 or 0x3e or 0x64 or 0x65 or 0x66 or 0x67 or 0xf0 or 0xf2 or 0xf3 || Is64 && value is >= 0x40 and <= 0x4f;
}
