using System.Globalization;
using System.Text;
using Gauntlet.Fuzz.Engine;
using Gauntlet.Fuzz.Oracles;
using Gauntlet.Fuzz.Programs;
using Gauntlet.Fuzz.Triage;
using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Accel.Kvm;
using Gauntlet.Vmm.Accel.Tcg;
using Gauntlet.Vmm.Devices.Interrupt;
using Gauntlet.Vmm.Machines;
using Iced.Intel;
using Decoder = Iced.Intel.Decoder;

namespace Gauntlet.Fuzz.Targets.Cpu;

/// <summary>
/// Random instructions on the translator: its interpreter and its host code must agree in everything, and programs of the user's level with the host's own CPU in what
/// the manual defines. Where KVM or QEMU are there, the translator is at fault only when one of them also disagrees with it.
/// </summary>
public sealed class CpuTarget : IFuzzTarget, IInputForm
{
    private const string Model = "max";
    private const int MostInstructions = 24;

    private readonly CpuRig _interpreter = new(new TcgAccelerator(new ManualClock(DateTime.UnixEpoch), new TcgOptions(TcgBackendKind.Interp)), Model);
    private readonly CpuRig? _hostCode = TcgOptions.Default.Backend == TcgBackendKind.X64
        ? new CpuRig(new TcgAccelerator(new ManualClock(DateTime.UnixEpoch), new TcgOptions(TcgBackendKind.X64)), Model)
        : null;
    private readonly HostCpu? _native;
    private readonly UserOutcome _ours = new(), _theirs = new(), _witness = new();
    private readonly InstructionMaker _maker = new();
    private readonly byte[] _code = new byte[CpuProgram.HeadBytes + CpuProgram.MaxCodeBytes + 16];
    private CpuRig? _kvm;
    private HostCpu? _qemu;
    private bool _hasWitnesses;

    /// <param name="native">False: the host's own CPU is not asked.</param>
    public CpuTarget(bool native = true) => _native = native ? HostCpu.Native() : null;

    public Grammar? Grammar => null;

    IInputForm IFuzzTarget.Form => this;

    public void Run(ReadOnlySpan<byte> input)
    {
        var program = new CpuProgram(input);
        if (Examine(program, out var reference) is not { } difference)
            return;
        var smallest = Minimizer.Minimize(input.ToArray(), this, other => Examine(new CpuProgram(other), out var with)?.Kind == difference.Kind && with == reference);
        difference = Examine(new CpuProgram(smallest), out _) ?? difference;
        throw new OracleException($"{reference}: {difference.Kind}: {Mnemonics(new CpuProgram(smallest))}", Report(new CpuProgram(smallest), reference, difference));
    }

    public ReadOnlySpan<byte> Mutate(FuzzRandom random, ReadOnlySpan<byte> input, ReadOnlySpan<byte> other, int mostBytes)
    {
        var length = Math.Min(input.Length, CpuProgram.HeadBytes + CpuProgram.MaxCodeBytes);
        _code.AsSpan().Clear();
        input[..length].CopyTo(_code);
        length = Math.Max(length, CpuProgram.HeadBytes);
        if (random.OneIn(2))
        {
            // A new head: registers are as much a part of it as code is.
            for (var left = 1 + random.Below(16); left > 0; left--)
                _code[random.Below(CpuProgram.HeadBytes)] = (byte)random.Next();
        }
        var bitness = CpuProgram.BitnessOf(new CpuProgram(_code).Mode);
        var starts = Starts(_code.AsSpan(CpuProgram.HeadBytes, length - CpuProgram.HeadBytes), bitness);
        Span<byte> one = stackalloc byte[16];
        for (var left = 1 + random.Below(6); left > 0; left--)
        {
            var at = CpuProgram.HeadBytes + starts[random.Below(starts.Count)];
            if (at > length)
                at = length;
            if (random.OneIn(4) && at < length)
            {
                var end = CpuProgram.HeadBytes + starts.FirstOrDefault(start => CpuProgram.HeadBytes + start > at, length - CpuProgram.HeadBytes);
                end = Math.Min(end, length);
                _code.AsSpan(end, length - end).CopyTo(_code.AsSpan(at));
                length -= end - at;
            }
            else if (starts.Count < MostInstructions)
            {
                var made = one[.._maker.Make(random, bitness, one)];
                if (length + made.Length > CpuProgram.HeadBytes + CpuProgram.MaxCodeBytes)
                    break;
                _code.AsSpan(at, length - at).CopyTo(_code.AsSpan(at + made.Length));
                made.CopyTo(_code.AsSpan(at));
                length += made.Length;
            }
            starts = Starts(_code.AsSpan(CpuProgram.HeadBytes, length - CpuProgram.HeadBytes), bitness);
        }
        return _code[..Math.Min(length, mostBytes)];
    }

    public IReadOnlyList<byte[]> Divide(byte[] input)
    {
        var program = new CpuProgram(input);
        var parts = new List<byte[]> { input[..Math.Min(input.Length, CpuProgram.HeadBytes)] };
        var starts = Starts(program.Code, program.Bitness);
        for (var i = 0; i + 1 < starts.Count; i++)
            parts.Add(program.Code[starts[i]..starts[i + 1]].ToArray());
        return parts;
    }

    public void Dispose()
    {
        _interpreter.Dispose();
        _hostCode?.Dispose();
        _native?.Dispose();
        _kvm?.Dispose();
        _qemu?.Dispose();
    }

    // Null when nothing is wrong, or nothing can be said.
    private CpuDifference? Examine(in CpuProgram program, out string reference)
    {
        reference = "interpreter and host code";
        var first = _interpreter.Run(program);
        if (first.Stop == VcpuStop.Kicked)
            return null;
        if (_hostCode is not null)
        {
            var second = _hostCode.Run(program);
            if (second.Stop == VcpuStop.Kicked)
                return null;
            if (CpuOutcome.Compare(first, _interpreter.Ram, second, _hostCode.Ram) is { } difference)
                return difference;
        }
        if (first.Stop == VcpuStop.Failed)
        {
            reference = "not implemented";
            return new CpuDifference("failure", first.Failure ?? "", "");
        }
        if (_native is null || program.Mode != CpuMode.User64 || !ComparableCode.IsDefined(program.Code, program.MasksInvalid, out var freedom) || !_native.TryRun(program, out var native))
            return null;
        reference = "translator and host CPU";
        _ours.Take(_interpreter, first);
        _theirs.Take(native);
        return UserOutcome.Compare(_ours, _theirs, freedom) is { } found && !HasWitness(program, freedom) ? found : null;
    }

    // True when another CPU does as ours: what the host's CPU does is then its own way.
    private bool HasWitness(in CpuProgram program, Freedom freedom)
    {
        if (!_hasWitnesses)
        {
            _hasWitnesses = true;
            _qemu = HostCpu.Qemu();
            try
            {
                var clock = new ManualClock(DateTime.UnixEpoch);
                _kvm = new CpuRig(new KvmAccelerator(new KvmOptions { KernelIrqChip = KernelIrqChip.Off }), Model, new LocalApic(0, new ApicBus(), clock, new Lock(), null));
            }
            catch (AcceleratorException)
            {
            }
        }
        if (_kvm is not null && RunOnKvm(_kvm, program) is { Stop: VcpuStop.Halted } outcome)
        {
            _witness.Take(_kvm, outcome);
            if (UserOutcome.Compare(_ours, _witness, freedom) is null)
                return true;
        }
        if (_qemu is null || !_qemu.TryRun(program, out var emulated))
            return false;
        _witness.Take(emulated);
        return UserOutcome.Compare(_ours, _witness, freedom) is null;
    }

    // A state that KVM does not take tells nothing.
    private static CpuOutcome? RunOnKvm(CpuRig kvm, in CpuProgram program)
    {
        try
        {
            return kvm.Run(program);
        }
        catch (AcceleratorException)
        {
            return null;
        }
    }

    private static string Report(in CpuProgram program, string reference, CpuDifference difference)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"{reference} differ in {difference.Where}: {difference.First} and {difference.Second}, {program.Mode}\n");
        var state = default(X86State);
        program.SetRegisters(ref state);
        for (var i = 0; i < 16; i++)
            text.Append(CultureInfo.InvariantCulture, $"{CpuOutcome.NameOf(i),-3} {state.Gpr[i]:x16}{(i % 4 == 3 ? '\n' : ' ')}");
        unsafe
        {
            text.Append(CultureInfo.InvariantCulture, $"RFLAGS {state.Rflags:x}  FCW {*(ushort*)state.Fxsave:x}  MXCSR {*(uint*)(state.Fxsave + 24):x}\n");
        }
        var formatter = new NasmFormatter();
        var output = new StringOutput();
        var code = program.Code;
        foreach (var instruction in Decode(code, program.Bitness))
        {
            formatter.Format(instruction, output);
            var at = (int)(instruction.IP - StartOf(program.Bitness));
            text.Append(CultureInfo.InvariantCulture, $"{instruction.IP:x8}  {Convert.ToHexStringLower(code.Slice(at, Math.Min(instruction.Length, code.Length - at))),-30} {output.ToStringAndReset()}\n");
        }
        return text.ToString();
    }

    private static string Mnemonics(in CpuProgram program) =>
        string.Join(' ', Decode(program.Code, program.Bitness).Select(instruction => instruction.Mnemonic.ToString().ToLowerInvariant()).Take(4));

    private static ulong StartOf(int bitness) => bitness == 16 ? 0 : CpuProgram.CodeAddress;

    private static List<Instruction> Decode(ReadOnlySpan<byte> code, int bitness)
    {
        var reader = new ByteArrayCodeReader(code.ToArray());
        var decoder = Decoder.Create(bitness, reader, StartOf(bitness));
        var instructions = new List<Instruction>();
        while (reader.CanReadByte)
            instructions.Add(decoder.Decode());
        return instructions;
    }

    // Of each instruction, and the end.
    private static List<int> Starts(ReadOnlySpan<byte> code, int bitness)
    {
        var starts = new List<int> { 0 };
        foreach (var instruction in Decode(code, bitness))
            starts.Add(Math.Min((int)(instruction.NextIP - StartOf(bitness)), code.Length));
        if (starts[^1] < code.Length)
            starts.Add(code.Length);
        return starts;
    }
}
