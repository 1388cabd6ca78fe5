using System.Buffers.Binary;
using System.Diagnostics;
using System.Runtime.InteropServices;
using Gauntlet.Vmm.Accel;

namespace Gauntlet.Fuzz.Targets.Cpu;

/// <summary>What a program came to on a CPU outside.</summary>
internal readonly ref struct HostOutcome(ReadOnlySpan<byte> bytes)
{
    // r8 to r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, eflags, selectors, err, trapno, oldmask, cr2 (struct sigcontext).
    private static ReadOnlySpan<byte> Places => [13, 14, 12, 11, 15, 10, 9, 8, 0, 1, 2, 3, 4, 5, 6, 7];

    private readonly ReadOnlySpan<byte> _bytes = bytes;

    public bool IsLoop => Quad(23) == HostProgram.SignalOfLoop;

    public ulong Rip => Quad(16);

    public ulong Rflags => Quad(17);

    public ulong ErrorCode => Quad(19);

    public int Vector => (int)Quad(20);

    public ulong Cr2 => Quad(22);

    public ReadOnlySpan<byte> Fxsave => _bytes.Slice(HostProgram.OutputFxsaveAt, 512);

    /// <summary>Code page, data pages, stack page.</summary>
    public ReadOnlySpan<byte> Memory => _bytes[HostProgram.MemoryAt..];

    /// <summary>In encoding order.</summary>
    public ulong Gpr(int index) => Quad(Places[index]);

    private ulong Quad(int index) => BinaryPrimitives.ReadUInt64LittleEndian(_bytes[(8 * index)..]);
}

/// <summary>A CPU that programs of <see cref="CpuMode.User64"/> are run on beside ours: the host's own, or QEMU's by qemu-user. Its process is replaced when it dies.</summary>
internal sealed class HostCpu : IDisposable
{
    private const int MostDeaths = 100;

    private readonly string _folder;
    private readonly ProcessStartInfo _start;
    private readonly byte[] _input = new byte[HostProgram.InputBytes], _output = new byte[HostProgram.OutputBytes];
    private Process? _process;
    private int _deaths;

    private HostCpu(string name, string? emulator)
    {
        Name = name;
        _folder = Directory.CreateTempSubdirectory("gauntlet-cpu-").FullName;
        var path = Path.Combine(_folder, "runner");
        File.WriteAllBytes(path, HostProgram.Build(isFiltered: emulator is null));
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        _start = new ProcessStartInfo(emulator ?? path, emulator is null ? [] : [path]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
    }

    /// <summary>For reports.</summary>
    public string Name { get; }

    /// <summary>The host's own CPU; null where it is none of x86-64, or may not run what lies in the temporary folder.</summary>
    public static HostCpu? Native() => RuntimeInformation.ProcessArchitecture == Architecture.X64 ? Tried(new HostCpu("host CPU", null)) : null;

    /// <summary>QEMU's; null where Debian's package qemu-user, or the like, is not installed.</summary>
    public static HostCpu? Qemu() => Harness.Drivers.ProgramFinder.InPath("qemu-x86_64") is { } path ? Tried(new HostCpu("QEMU", path)) : null;

    /// <summary>Runs a program; false when it took the process with it, or did not end.</summary>
    /// <param name="outcome">Until the next call.</param>
    public unsafe bool TryRun(in CpuProgram program, out HostOutcome outcome)
    {
        outcome = default;
        var state = default(X86State);
        program.SetRegisters(ref state);
        var input = _input.AsSpan();
        for (var i = 0; i < 16; i++)
            BinaryPrimitives.WriteUInt64LittleEndian(input[(8 * i)..], state.Gpr[i]);
        BinaryPrimitives.WriteUInt64LittleEndian(input[HostProgram.FlagsAt..], state.Rflags);
        new ReadOnlySpan<byte>(state.Fxsave, 512).CopyTo(input[HostProgram.FxsaveAt..]);
        input[HostProgram.CodeAt..].Fill(0xf4);
        program.Code.CopyTo(input[HostProgram.CodeAt..]);
        if (_deaths >= MostDeaths)
            return false;
        try
        {
            _process ??= Process.Start(_start) ?? throw new IOException("it did not start");
            _process.StandardInput.BaseStream.Write(_input);
            _process.StandardInput.BaseStream.Flush();
            _process.StandardOutput.BaseStream.ReadExactly(_output);
        }
        catch (Exception exception) when (exception is IOException or System.ComponentModel.Win32Exception)
        {
            _deaths++;
            End();
            return false;
        }
        outcome = new HostOutcome(_output);
        return !outcome.IsLoop;
    }

    public void Dispose()
    {
        End();
        Directory.Delete(_folder, recursive: true);
    }

    private static HostCpu? Tried(HostCpu made)
    {
        if (made.TryRun(new CpuProgram([]), out _))
            return made;
        made.Dispose();
        return null;
    }

    private void End()
    {
        if (_process is not { } process)
            return;
        _process = null;
        if (!process.HasExited)
            process.Kill();
        process.WaitForExit();
        process.Dispose();
    }
}
