using System.Globalization;
using System.Text;
using Gauntlet.Vmm.Accel;
using Iced.Intel;

namespace Gauntlet.Vmm.Machines;

/// <summary>What a person needs to see of a vCPU that cannot go on: why, its registers, the code at its instruction pointer, its last exits.</summary>
public static class FailureReport
{
    private const int CodeBytes = 32, MaxInstructions = 8;

    /// <summary>The report, lines ended. The vCPU is parked.</summary>
    public static string Of(Machine machine, IVcpu vcpu, string what)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"CPU {vcpu.Index}: {what}\n");
        vcpu.GetState(out var state);
        RegisterDump.Append(text, in state);
        AppendCode(text, machine, in state);
        if (vcpu.RecentExits.Count > 0)
            text.Append("Last exits, newest first:\n");
        foreach (var exit in vcpu.RecentExits)
            text.Append(CultureInfo.InvariantCulture, $"  {exit}\n");
        return text.ToString();
    }

    private static void AppendCode(StringBuilder text, Machine machine, in X86State state)
    {
        // Long mode with CS.L; else the segment's D bit.
        var bitness = (state.Cs.Attributes & 0x2000) != 0 && (state.Efer & 0x400) != 0 ? 64 : (state.Cs.Attributes & 0x4000) != 0 ? 32 : 16;
        var linear = bitness == 64 ? state.Rip : (uint)(state.Cs.Base + state.Rip);
        var code = new byte[CodeBytes];
        var length = 0;
        while (length < code.Length && X86PageWalk.TryTranslate(machine.Memory, in state, linear + (ulong)length, out var physical)
            && machine.Memory.TryRead(physical, code.AsSpan(length, 1)))
        {
            length++;
        }
        if (length == 0)
        {
            text.Append(CultureInfo.InvariantCulture, $"Code: no memory at linear address 0x{linear:x}\n");
            return;
        }
        text.Append(CultureInfo.InvariantCulture, $"Code at 0x{linear:x} ({bitness}-bit): {Convert.ToHexStringLower(code, 0, length)}\n");
        var decoder = Iced.Intel.Decoder.Create(bitness, new ByteArrayCodeReader(code, 0, length), state.Rip);
        var formatter = new IntelFormatter();
        var output = new StringOutput();
        for (var i = 0; i < MaxInstructions && decoder.IP < state.Rip + (ulong)length; i++)
        {
            var at = decoder.IP;
            decoder.Decode(out var instruction);
            if (instruction.IsInvalid)
            {
                text.Append(CultureInfo.InvariantCulture, $"  {at:x}  (not an instruction)\n");
                break;
            }
            formatter.Format(in instruction, output);
            text.Append(CultureInfo.InvariantCulture, $"  {at:x}  {output.ToStringAndReset()}\n");
        }
    }
}
