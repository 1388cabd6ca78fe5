using System.Globalization;
using System.Text;
using Gauntlet.Vmm.Accel;

namespace Gauntlet.Vmm.Machines;

/// <summary>A vCPU's registers as text, laid out as QEMU's <c>info registers</c>, which scripts read.</summary>
public static class RegisterDump
{
    // Encoding order is RAX RCX RDX RBX RSP RBP RSI RDI.
    private static ReadOnlySpan<int> PrintOrder => [0, 3, 1, 2, 6, 7, 5, 4];

    private static readonly string[] _names = ["RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI"];

    /// <summary>Appends the dump, each line ended.</summary>
    public static void Append(StringBuilder text, in X86State s)
    {
        for (var i = 0; i < 16; i++)
        {
            var name = i < 8 ? _names[PrintOrder[i]] : $"R{i,-2}";
            var register = i < 8 ? PrintOrder[i] : i;
            text.Append(CultureInfo.InvariantCulture, $"{name}={s.Gpr[register]:x16}{(i % 4 == 3 ? '\n' : ' ')}");
        }
        text.Append(CultureInfo.InvariantCulture, $"RIP={s.Rip:x16} RFL={s.Rflags:x8} [{Flags(s.Rflags)}] CPL={s.Ss.Attributes >> 5 & 3} {s.Activity}\n");
        AppendSegment(text, "ES ", s.Es);
        AppendSegment(text, "CS ", s.Cs);
        AppendSegment(text, "SS ", s.Ss);
        AppendSegment(text, "DS ", s.Ds);
        AppendSegment(text, "FS ", s.Fs);
        AppendSegment(text, "GS ", s.Gs);
        AppendSegment(text, "LDT", s.Ldtr);
        AppendSegment(text, "TR ", s.Tr);
        text.Append(CultureInfo.InvariantCulture, $"GDT=     {s.Gdtr.Base:x16} {s.Gdtr.Limit:x8}\nIDT=     {s.Idtr.Base:x16} {s.Idtr.Limit:x8}\n");
        text.Append(CultureInfo.InvariantCulture, $"CR0={s.Cr0:x8} CR2={s.Cr2:x16} CR3={s.Cr3:x16} CR4={s.Cr4:x8} CR8={s.Cr8:x}\n");
        text.Append(CultureInfo.InvariantCulture, $"EFER={s.Efer:x16} APICBASE={s.ApicBase:x} TSC={s.Tsc:x16}\n");
    }

    private static void AppendSegment(StringBuilder text, string name, X86Segment segment) => text.Append(
        CultureInfo.InvariantCulture,
        $"{name}={segment.Selector:x4} {segment.Base:x16} {segment.Limit:x8} {segment.Attributes << 8 & 0xffff00:x8}{((segment.Attributes & X86Segment.Unusable) != 0 ? " unusable" : "")}\n");

    private static string Flags(ulong flags)
    {
        Span<char> letters = stackalloc char[7];
        const string Names = "DOSZAPC";
        ReadOnlySpan<int> bits = [10, 11, 7, 6, 4, 2, 0];
        for (var i = 0; i < letters.Length; i++)
            letters[i] = (flags >> bits[i] & 1) != 0 ? Names[i] : '-';
        return new string(letters);
    }
}
