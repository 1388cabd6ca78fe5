using System.Text;
using Gauntlet.Pipelines.Checks;
using Gauntlet.Vmm.Storage;

namespace Gauntlet.Fuzz.Targets;

/// <summary>Something that reads a file by its name: each input is one, kept in memory.</summary>
internal abstract class FileTarget : IFuzzTarget
{
    private readonly FileStream _file;

    protected FileTarget() =>
        _file = new FileStream(System.IO.Path.Combine(Directory.Exists("/dev/shm") ? "/dev/shm" : System.IO.Path.GetTempPath(), $"gauntlet-fuzz-{Guid.NewGuid():n}"), new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.ReadWrite,
            Share = FileShare.ReadWrite,
            BufferSize = 0,
            Options = FileOptions.DeleteOnClose,
        });

    public Programs.Grammar? Grammar => null;

    public abstract IReadOnlyList<byte[]> Seeds { get; }

    protected string Path => _file.Name;

    public void Run(ReadOnlySpan<byte> input)
    {
        _file.SetLength(0);
        _file.Position = 0;
        _file.Write(input);
        Run();
    }

    public void Dispose() => _file.Dispose();

    protected abstract void Run();
}

/// <summary>A qcow2 image that anybody may have made: opened, read and written at its start, its end and between.</summary>
internal sealed class ImageTarget : FileTarget
{
    private const int ClusterBits = 9, ClusterBytes = 1 << ClusterBits, SectorBytes = 512;

    // Of a request: more than one cluster.
    private readonly byte[] _data = new byte[3 * ClusterBytes];

    public override IReadOnlyList<byte[]> Seeds => [Image()];

    protected override void Run()
    {
        try
        {
            using var image = Qcow2Image.Open(Path, readOnly: false);
            foreach (var offset in (ReadOnlySpan<long>)[0, image.Bytes / 2 & -SectorBytes, image.Bytes - _data.Length])
            {
                if (offset < 0 || offset + _data.Length > image.Bytes)
                    continue;
                image.TryRead(offset, _data);
                image.TryWrite(offset, _data);
                image.TryWriteZeroes(offset, ClusterBytes, mayUnmap: true);
                image.TryDiscard(offset, ClusterBytes);
            }
            image.TryFlush();
        }
        catch (BlockImageException)
        {
        }
    }

    /// <summary>
    /// Version 2 (QEMU, docs/interop/qcow2.txt): header, reference counts' table and block, L1, L2, one data cluster; of 64 KiB.
    /// </summary>
    private static byte[] Image()
    {
        var image = new byte[6 * ClusterBytes];
        Big32(0, 0x514649fb, 2);
        Big32(20, ClusterBits);
        Big32(24, 0, 0x10000);
        Big32(36, 2);
        Big32(40, 0, 3 * ClusterBytes, 0, ClusterBytes, 1);
        Big32(ClusterBytes, 0, 2 * ClusterBytes);
        for (var cluster = 0; cluster < 6; cluster++)
            image[2 * ClusterBytes + 2 * cluster + 1] = 1;
        Big32(3 * ClusterBytes, 0x80000000, 4 * ClusterBytes);
        Big32(4 * ClusterBytes, 0x80000000, 5 * ClusterBytes);
        return image;

        void Big32(int at, params ReadOnlySpan<uint> words)
        {
            foreach (var word in words)
            {
                System.Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(image.AsSpan(at), word);
                at += 4;
            }
        }
    }
}

/// <summary>A patch under a project's rules.</summary>
internal sealed class CheckTarget(string rules, string patch) : FileTarget
{
    public override IReadOnlyList<byte[]> Seeds { get; } = [Encoding.UTF8.GetBytes(patch)];

    protected override void Run() => CheckProgram.Run(["--rules", rules, "--no-tree", "--strict", Path], Stream.Null);
}
